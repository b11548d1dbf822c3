"""Augmenters: strong views of rows, tokens, states or features."""

from conlst.augment.back_translation import BackTranslation
from conlst.augment.base import Augmenter, Level, augmenters
from conlst.augment.code_switch import CodeSwitch
from conlst.augment.combinator import Combinator
from conlst.augment.compose import Compose
from conlst.augment.embedding_noise import EmbeddingNoise
from conlst.augment.masking import Masking
from conlst.augment.mixup import Mixup
from conlst.augment.one_of import OneOf
from conlst.augment.synonym import Synonym
from conlst.augment.union import Union
from conlst.augment.word_dropout import WordDropout

__all__ = [
    "Augmenter",
    "BackTranslation",
    "CodeSwitch",
    "Combinator",
    "Compose",
    "EmbeddingNoise",
    "Level",
    "Masking",
    "Mixup",
    "OneOf",
    "Synonym",
    "Union",
    "WordDropout",
    "augmenters",
]
