"""One model for all pairs of languages: told by a token where from, by another where to."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import torch

from conlst.augment.translators.base import Translate
from conlst.augment.translators.codes import called
from conlst.augment.translators.seq2seq import Seq2Seq, load, translated


class Multilingual(Seq2Seq):
    """What mBART-50, M2M100 and NLLB have in common: `src_lang`, and a forced first token."""

    family: ClassVar[str]
    """`model_type` of its configuration."""
    languages: ClassVar[Mapping[str, str]]
    """What the tokenizer calls each language."""

    @staticmethod
    @abstractmethod
    def token(name: str) -> str:
        """The token that stands for the language which the tokenizer calls `name`."""

    def knows(self, source: str, target: str) -> bool:
        """Whether both are among its languages, and differ."""
        names = called(source, self.languages), called(target, self.languages)
        return None not in names and names[0] != names[1]

    @contextmanager
    def opened(self) -> Iterator[Translate]:
        """The model in memory, for any pair."""
        loaded = load(self.model, self.revision, self.family)

        def translate(
            texts: Sequence[str], source: str, target: str, *, generator: torch.Generator
        ) -> list[str]:
            there, back = called(source, self.languages), called(target, self.languages)
            if there is None or back is None:
                raise ValueError(f"{self.name} does not know {source!r} to {target!r}")
            loaded.token_id(self.token(there))  # a tokenizer would take an unknown one for <unk>
            first = loaded.token_id(self.token(back))
            loaded.tokenizer.src_lang = there
            return translated(self, loaded, texts, first, generator)

        yield translate
