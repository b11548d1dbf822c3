"""Strong view by translation into another language and back."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Rows
from conlst.augment.base import Augmenter, Level, augmenters
from conlst.augment.translation_filters import Filters
from conlst.augment.translators import M2M100, MBart50, Table, Translator
from conlst.augment.translators import translators as registry  # a field bears that name
from conlst.augment.translators.desk import Desk
from conlst.augment.translators.routes import Pivot, Route, lost, route
from conlst.cache import TextCache, folder
from conlst.errors import BadInput
from conlst.progress import Advance, Progress


@dataclass(frozen=True)
class _Back:
    text: str
    fault: str | None
    """Why it is not used."""


def _default() -> list[Translator]:
    return [MBart50(), M2M100()]


@augmenters.register("back_translation")
class BackTranslation(Augmenter):
    r"""Say each text in other words, by way of another language.

        between_n = translate(text_n, language_n, pivot_n)
        back_n = translate(between_n, pivot_n, language_n)
        text'_n = back_n    if no filter refuses (text_n, between_n, back_n)
                = text_n    otherwise

    Symbols: text_n, one of n texts; of a row with two, each goes its own way; language_n, the
    row's; pivot_n, the language between. As many rows come out as went in: origin, int64[n], is
    0, 1, ... A language goes to the first of `translators` that knows it there and back. All
    translations of a run are made before it trains and kept in the user's cache, which later runs
    read: then no translator is opened.

    Paper: Sennrich et al. 2016, "Improving Neural Machine Translation Models with Monolingual
    Data"; Xie et al. 2020, UDA, as an augmentation that keeps the label; Li et al. 2024, CoNLST,
    one of three strong augmentations ("uncovered languages in mBART" are Greek and Bulgarian).

    Departs: Li et al. name no pivot; it is English, and French for English. UDA samples, Li et al.
    do not say: beam search by default, `temperature` of a translator samples, and `draw` gives
    other samples. A back-translation that a filter refuses is not repeated. Filters compare
    scripts, not languages.

    Raises:
        BadInput: a language has no translator (unless `missing` is "skip"), a translator is not
            what it is taken for, or the cache cannot be used.

    Examples:
        >>> both = BackTranslation()
        >>> both.misfits(("fr", "th"))
        []
        >>> mbart = [{"type": "mbart50"}]
        >>> BackTranslation.model_validate({"translators": mbart}).misfits(("fr", "el"))
        ["'el' via 'en': no translator goes there and back (mbart50 does for fr); ..."]
    """

    level: ClassVar[Level] = "rows"
    translators: list[Annotated[Translator, registry]] = Field(
        default_factory=_default,
        min_length=1,
        description="each language goes to the first that knows it there and back",
    )
    pivot: Pivot = Field(
        default_factory=lambda: {"*": "en", "en": "fr"},
        description="the language between: one for all, or by language, * for all others",
    )
    missing: Literal["error", "skip"] = Field(
        "error", description="what becomes of a language that no translator knows"
    )
    draw: int = Field(0, ge=0, description="which samples, of a translator that samples")
    filters: Filters = Field(Filters(), description="which back-translations are refused")

    def misfits(self, languages: tuple[str, ...]) -> list[str]:
        """A line a language that has no translator, or whose translator lacks something here."""
        found: list[str] = []
        for language in languages:
            if taken := self._route(language):
                found += taken.obstacles()
            elif self.missing == "error":
                found.append(self._lost(language, languages))
        return found

    def files(self) -> list[str]:
        """The tables of translations made elsewhere."""
        return [part.path for part in self.translators if isinstance(part, Table)]

    def prepare(self, rows: Rows, progress: Progress) -> dict[str, object]:
        """Translate all texts there and back, unless the cache holds them.

        Returns:
            `languages`: for each its translator, pivot, distinct texts, translations made now (two
            a text if none was in the cache), texts kept, texts refused by filter; `skipped`:
            languages without a translator.
        """
        texts, told = _texts(rows), dict[str, object]()
        routes = self._routes(texts)
        for translator in self.translators:
            with self._desk(translator) as desk:
                for taken in routes:
                    if taken.translator is translator:
                        own = texts[taken.language]
                        told[taken.language] = self._prepared(desk, taken, own, progress)
        return {
            "languages": {taken.language: told[taken.language] for taken in routes},
            "skipped": [language for language in texts if language not in told],
        }

    def _prepared(
        self, desk: Desk, taken: Route, texts: list[str], progress: Progress
    ) -> dict[str, object]:
        before = desk.made
        what = f"back-translating {taken.language} via {taken.pivot}"
        with progress.task(what, 2 * len(texts)) as advance:
            found = self._there_and_back(desk, taken, texts, advance)
        faults = Counter(back.fault for back in found.values() if back.fault)
        return {
            "translator": taken.translator.name,
            "pivot": taken.pivot,
            "texts": len(texts),
            "translated_now": desk.made - before,
            "kept": len(texts) - faults.total(),
            "refused": dict(sorted(faults.items())),
        }

    def rows(self, rows: Rows, *, generator: torch.Generator) -> tuple[Rows, Tensor]:
        """Each text that has a good back-translation replaced by it; chance has no part in it."""
        texts = _texts(rows)
        said = {taken.language: self._answers(taken, texts) for taken in self._routes(texts)}

        def column(old: Sequence[str]) -> list[str]:
            return [
                said.get(language, {}).get(text, text)
                for language, text in zip(rows.languages, old, strict=True)
            ]

        pairs = None if rows.pairs is None else column(rows.pairs)
        return replace(rows, texts=column(rows.texts), pairs=pairs), torch.arange(len(rows))

    def _answers(self, taken: Route, texts: dict[str, list[str]]) -> dict[str, str]:
        """The good back-translations of a language's texts."""
        with self._desk(taken.translator) as desk:
            found = self._there_and_back(desk, taken, texts[taken.language], _unseen)
        return {text: back.text for text, back in found.items() if not back.fault}

    def _there_and_back(
        self, desk: Desk, taken: Route, texts: list[str], advance: Advance
    ) -> dict[str, _Back]:
        there = desk(texts, taken.language, taken.pivot, advance)
        back = desk(list(there.values()), taken.pivot, taken.language, advance)
        return {
            text: _Back(back[other], self.filters.fault(text, other, back[other]))
            for text, other in there.items()
        }

    def _desk(self, translator: Translator) -> Desk:
        return Desk(translator, TextCache(folder() / "translations.sqlite"), self.draw)

    def _routes(self, languages: Iterable[str]) -> list[Route]:
        """Who translates each language; those that are skipped are left out."""
        found = {language: self._route(language) for language in languages}
        without = [language for language, taken in found.items() if not taken]
        if without and self.missing == "error":
            raise BadInput("back_translation: " + self._lost(without[0], tuple(found)))
        return [taken for taken in found.values() if taken]

    def _route(self, language: str) -> Route | None:
        return route(language, self.pivot, self.translators)

    def _lost(self, language: str, others: tuple[str, ...]) -> str:
        return lost(language, self.pivot, self.translators, others)


def _texts(rows: Rows) -> dict[str, list[str]]:
    """The distinct texts of each language that are not blank, first and second of a pair alike."""
    found: dict[str, dict[str, None]] = {}
    for column in (rows.texts, rows.pairs or ()):
        for language, text in zip(rows.languages, column, strict=False):
            if text.strip():
                found.setdefault(language, {})[text] = None
    return {language: list(texts) for language, texts in found.items()}


def _unseen(n: int = 1) -> None:
    """No bar waits for a batch."""
