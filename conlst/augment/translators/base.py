"""What a translator is: texts of one language become texts of another."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

import torch

from conlst.registry import Registry, Strategy


class Translate(Protocol):
    """A translator at work: its model is in memory, or its program runs."""

    def __call__(
        self, texts: Sequence[str], source: str, target: str, *, generator: torch.Generator
    ) -> list[str]:
        """As many texts as were given, in their order; "" for one that cannot be translated.

        Raises:
            ValueError: the translator does not know this pair of languages.
        """
        ...


class Translator(Strategy):
    """Contract: `with translator.opened() as translate: translate(texts, source, target, ...)`.

    Languages are ISO 639-1 codes as recipes write them. `knows` and `obstacle` answer without
    loading anything. `opened` loads what is needed, once, and lets it go again. Chance (sampling)
    comes only from `generator`. Two translators with the same `identity` give the same
    translations, so it holds whatever changes them: model, revision, decoding; the cache is keyed
    by it.
    """

    at_once: ClassVar[int] = 256
    """Texts that are translated and stored together: what a kill may lose."""

    @abstractmethod
    def knows(self, source: str, target: str) -> bool:
        """Whether it translates from `source` into `target`, if all that it needs is there."""

    def obstacle(self, source: str, target: str) -> str | None:
        """What this machine lacks for that pair, and how to get it; None if nothing."""
        return None

    @abstractmethod
    def opened(self) -> AbstractContextManager[Translate]:
        """Load the model or find the program.

        Raises:
            BadInput: it is not there, or is not what it is taken for.
        """

    def identity(self) -> str:
        """What its translations depend on, as one line."""
        return self.model_dump_json()


translators: Registry[Translator] = Registry("translators", Translator)
