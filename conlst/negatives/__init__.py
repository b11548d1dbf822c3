"""Complementary labellers (what a row is not) and negative samplers (rows that are that)."""

from conlst.negatives.base import ComplementaryLabeller, NegativeSampler, labellers, negatives
from conlst.negatives.confidence_gated import ConfidenceGated
from conlst.negatives.random import Random
from conlst.negatives.uniform import Uniform

__all__ = [
    "ComplementaryLabeller",
    "ConfidenceGated",
    "NegativeSampler",
    "Random",
    "Uniform",
    "labellers",
    "negatives",
]
