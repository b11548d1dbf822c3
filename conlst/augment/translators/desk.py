"""A translator behind the cache: what was made once is not made again, and a kill loses little."""

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import torch

from conlst.augment.translators.base import Translate, Translator
from conlst.cache import TextCache, key
from conlst.progress import Advance


class Desk:
    """Gives translations out, and opens the translator when the first one is missing.

    Translations are stored as they are made, so work that is broken off goes on where it stood.
    Of what two processes make at once the first is stored, and both give that out.

    Args:
        translator: who translates.
        cache: where translations are kept.
        draw: of a translator that samples: which of its translations, from 0.
    """

    def __init__(self, translator: Translator, cache: TextCache, draw: int = 0) -> None:
        self.translator, self.cache, self.draw = translator, cache, draw
        self.made = 0
        """Translations that were not in the cache."""
        self._identity = translator.identity()
        self._translate: Translate | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._translate = None
        self._open.close()

    def __call__(
        self, texts: Sequence[str], source: str, target: str, advance: Advance
    ) -> dict[str, str]:
        """Each text with its translation; a blank one stays blank.

        Args:
            texts: in `source`.
            source: language of the texts.
            target: language of the translations.
            advance: told as many as there are texts, bit by bit.
        """
        keys = {text: self._key(source, target, text) for text in texts if text.strip()}
        found = self.cache.get_many(list(keys.values()))
        missing = [text for text, its in keys.items() if its not in found]
        advance(len(texts) - len(missing))
        for start in range(0, len(missing), self.translator.at_once):
            some = missing[start : start + self.translator.at_once]
            made = self._at_work()(some, source, target, generator=self._chance(some))
            new = {keys[text]: its for text, its in zip(some, made, strict=True)}
            self.cache.put_many(new)
            found |= new | self.cache.get_many(list(new))
            self.made += len(some)
            advance(len(some))
        return {text: found[keys[text]] if text in keys else "" for text in texts}

    def _key(self, *parts: str) -> bytes:
        return key(self._identity, str(self.draw), *parts)

    def _at_work(self) -> Translate:
        if self._translate is None:
            self._translate = self._open.enter_context(self.translator.opened())
        return self._translate

    def _chance(self, texts: list[str]) -> torch.Generator:
        """From the texts alone, so that a run taken up again draws as the undisturbed one did."""
        seed = int.from_bytes(self._key(*texts)[:8], "big") >> 1
        return torch.Generator().manual_seed(seed)
