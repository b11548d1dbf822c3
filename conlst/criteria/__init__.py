"""Criteria: which checkpoint is better, and when to stop, without target labels."""

from conlst.criteria.base import Criterion, Verdict, criteria

__all__ = ["Criterion", "Verdict", "criteria"]
