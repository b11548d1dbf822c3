"""Selectors: which pseudo-labels to trust."""

from conlst.selectors.base import Selector, selectors
from conlst.selectors.fixed import Fixed
from conlst.selectors.flexmatch import FlexMatch
from conlst.selectors.per_language import PerLanguage

__all__ = ["Fixed", "FlexMatch", "PerLanguage", "Selector", "selectors"]
