"""Translators: what back-translation goes there and back with."""

from conlst.augment.translators.apertium import Apertium
from conlst.augment.translators.base import Translate, Translator, translators
from conlst.augment.translators.m2m100 import M2M100
from conlst.augment.translators.marian import Marian
from conlst.augment.translators.mbart50 import MBart50
from conlst.augment.translators.nllb import Nllb
from conlst.augment.translators.table import Table

__all__ = [
    "M2M100",
    "Apertium",
    "MBart50",
    "Marian",
    "Nllb",
    "Table",
    "Translate",
    "Translator",
    "translators",
]
