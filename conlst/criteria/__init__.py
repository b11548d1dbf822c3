"""Criteria: which checkpoint is better, and when to stop, without target labels."""

from conlst.criteria.agreement import Agreement
from conlst.criteria.base import Criterion, Verdict, criteria
from conlst.criteria.entropy import Entropy
from conlst.criteria.error_boundary import ErrorBoundary
from conlst.criteria.mutual_information import MutualInformation
from conlst.criteria.snd import SND
from conlst.criteria.source_guard import SourceGuard

__all__ = [
    "SND",
    "Agreement",
    "Criterion",
    "Entropy",
    "ErrorBoundary",
    "MutualInformation",
    "SourceGuard",
    "Verdict",
    "criteria",
]
