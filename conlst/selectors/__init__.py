"""Selectors: which pseudo-labels to trust."""

from conlst.selectors.adamatch import AdaMatch
from conlst.selectors.aligned import Aligned
from conlst.selectors.all_of import AllOf
from conlst.selectors.base import Selector, selectors
from conlst.selectors.confident_learning import ConfidentLearning
from conlst.selectors.cut_edge import CutEdge
from conlst.selectors.dash import Dash
from conlst.selectors.fixed import Fixed
from conlst.selectors.flexmatch import FlexMatch
from conlst.selectors.freematch import FreeMatch
from conlst.selectors.gmm import GMM
from conlst.selectors.partial_labels import PartialLabels
from conlst.selectors.per_language import PerLanguage
from conlst.selectors.soft import Soft
from conlst.selectors.softmatch import SoftMatch
from conlst.selectors.topk_per_class import TopKPerClass
from conlst.selectors.uncertainty import Uncertainty
from conlst.selectors.ups import UPS

__all__ = [
    "GMM",
    "UPS",
    "AdaMatch",
    "Aligned",
    "AllOf",
    "ConfidentLearning",
    "CutEdge",
    "Dash",
    "Fixed",
    "FlexMatch",
    "FreeMatch",
    "PartialLabels",
    "PerLanguage",
    "Selector",
    "Soft",
    "SoftMatch",
    "TopKPerClass",
    "Uncertainty",
    "selectors",
]
