"""Complementary labellers (what a row is not) and negative samplers (rows that are that)."""

from conlst.negatives.all_others import AllOthers
from conlst.negatives.base import ComplementaryLabeller, NegativeSampler, labellers, negatives
from conlst.negatives.confidence_gated import ConfidenceGated
from conlst.negatives.faiss import Faiss
from conlst.negatives.in_batch import InBatch
from conlst.negatives.lowest_k import LowestK
from conlst.negatives.memory_bank import MemoryBank
from conlst.negatives.random import Random
from conlst.negatives.uniform import Uniform
from conlst.negatives.ups import UPS

__all__ = [
    "UPS",
    "AllOthers",
    "ComplementaryLabeller",
    "ConfidenceGated",
    "Faiss",
    "InBatch",
    "LowestK",
    "MemoryBank",
    "NegativeSampler",
    "Random",
    "Uniform",
    "labellers",
    "negatives",
]
