"""Augmenters: strong views of rows, tokens or features."""

from conlst.augment.base import Augmenter, Level, augmenters
from conlst.augment.masking import Masking
from conlst.augment.mixup import Mixup
from conlst.augment.one_of import OneOf

__all__ = ["Augmenter", "Level", "Masking", "Mixup", "OneOf", "augmenters"]
