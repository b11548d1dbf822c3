"""Losses: one value a row, unreduced."""

from conlst.losses.base import Loss, losses
from conlst.losses.clcs import CLCS
from conlst.losses.contrastive_negative import ContrastiveNegative
from conlst.losses.cross_entropy import CrossEntropy
from conlst.losses.negative import Negative

__all__ = ["CLCS", "ContrastiveNegative", "CrossEntropy", "Loss", "Negative", "losses"]
