"""Translators: what back-translation goes there and back with."""

from conlst.augment.translators.base import Translate, Translator, translators

__all__ = ["Translate", "Translator", "translators"]
