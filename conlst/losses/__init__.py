"""Losses: one value a row, unreduced."""

from conlst.losses.attention_pull import AttentionPull
from conlst.losses.base import Loss, Readout, losses
from conlst.losses.ccl import CCL
from conlst.losses.clcs import CLCS
from conlst.losses.contrastive_negative import ContrastiveNegative
from conlst.losses.cross_entropy import CrossEntropy
from conlst.losses.distillation import Distillation
from conlst.losses.embedding_push import EmbeddingPush
from conlst.losses.evidential import Evidential
from conlst.losses.kl_consistency import KLConsistency
from conlst.losses.leu import LEU
from conlst.losses.lou import LOU
from conlst.losses.negative import Negative
from conlst.losses.nl_plus import NLPlus
from conlst.losses.partial_label import PartialLabel
from conlst.losses.pl_plus import PLPlus
from conlst.losses.r3f import R3F
from conlst.losses.simcse import SimCSE
from conlst.losses.supcon import SupCon
from conlst.losses.tsa import TSA
from conlst.losses.weighted_sum import WeightedSum

__all__ = [
    "CCL",
    "CLCS",
    "LEU",
    "LOU",
    "R3F",
    "TSA",
    "AttentionPull",
    "ContrastiveNegative",
    "CrossEntropy",
    "Distillation",
    "EmbeddingPush",
    "Evidential",
    "KLConsistency",
    "Loss",
    "NLPlus",
    "Negative",
    "PLPlus",
    "PartialLabel",
    "Readout",
    "SimCSE",
    "SupCon",
    "WeightedSum",
    "losses",
]
