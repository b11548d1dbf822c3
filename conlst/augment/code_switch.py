"""Strong view by code-switching: words give way to their translations."""

import re
from collections.abc import Iterator, Sequence
from glob import escape, glob
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from conlst.arrays import Rows
from conlst.augment.base import Augmenter, Level, augmenters
from conlst.augment.dictionaries import Dictionary, translations
from conlst.augment.words import cased, key, pick, replaced, rewritten, uniforms
from conlst.errors import BadInput

SLOT = "{language}"
CODE = r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*"


@augmenters.register("code_switch")
class CodeSwitch(Augmenter):
    r"""Replace each word, with probability `rate`, by a translation from a bilingual word list.

        w' = w                      if u >= rate or D_l(w) is empty,    u ~ U[0, 1)
           ~ Uniform( D_l(w) )      otherwise,    l ~ Uniform(L) for each word, or once a row

    Symbols: L, the `languages`; D_l(w), the translations of w that the file of l lists; rows in L
    themselves go the other way: D_l(w) = { t : w is a translation of t into l }, words of the
    `source`. One view a row: origin int64[n] counts the n rows.

    Paper: Qin et al. 2020, CoSDA-ML; Zheng et al. 2021, xTune, for the rate.

    Departs: CoSDA-ML switches a share of the sentences, here every row is; both texts of a pair
    are. Words are looked up in lower case and without the punctuation around them, and the
    translation is given the capitals of the word. In scripts without spaces a word is one
    character (see `words`), so that few are known. Rows in a language that is neither the source
    nor in L stay as they are.

    Raises:
        pydantic.ValidationError: `path` has no {language} in it, or `languages` holds the source.
        BadInput: the file of a language is not there, or a line in it is no word and translation.

    Examples:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "en-fr.tsv").write_text("house\tmaison\nbig\tgrand\n")
        ...     switch = CodeSwitch(path=folder + "/en-{language}.tsv", rate=0.5)
        ...     rows = Rows(["1", "2"], ["A big, big House!", "grand"], None, ["en", "fr"])
        ...     switch.rows(rows, generator=torch.Generator().manual_seed(3))[0].texts
        ['A big, grand Maison!', 'grand']
    """

    level: ClassVar[Level] = "rows"
    path: str = Field(description="TSV, plain or gzipped, with {language} for the target's code")
    rate: float = Field(0.3, gt=0, le=1, description="probability that a word is switched")
    source: str = Field("en", description="the language of the first column, which all lists share")
    languages: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="L: what to switch into; null: every language that has a file"
    )
    per: Literal["word", "row"] = Field(
        "word", description="whether the language is drawn for each word, or once for a row"
    )

    @field_validator("path")
    @classmethod
    def _has_a_slot(cls, path: str) -> str:
        if SLOT not in path:
            raise ValueError(f"{SLOT} must stand where the file's name tells the language")
        return path

    @model_validator(mode="after")
    def _leads_elsewhere(self) -> "CodeSwitch":
        if self.source in (self.languages or ()):
            raise ValueError(f"languages holds {self.source!r}, the source itself")
        return self

    def misfits(self, languages: tuple[str, ...]) -> list[str]:
        """Files that cannot be used, and languages of the run without one if none are named."""
        wanted = self.languages or sorted({*self._switchable(), *languages} - {self.source})
        found = [] if wanted else [f"path: there is no file {self.path!r} of any language"]
        for language in wanted:
            try:
                self._list_of(language)
            except BadInput as error:
                field = "path" if self.languages is None else "languages"
                found.append(f"{field}: no word list of {language!r}: {error}")
        return found

    def files(self) -> list[str]:
        """The word list of each language."""
        return [self.path.replace(SLOT, language) for language in self._switchable()]

    def rows(self, rows: Rows, *, generator: torch.Generator) -> tuple[Rows, Tensor]:
        """The rows with some of their words in another language."""
        chance, known = uniforms(generator), self._lists_for(set(rows.languages))
        lists = [known[language] for language in rows.languages]
        if self.per == "row":
            lists = [each and [pick(each, next(chance))] for each in lists]

        def rewrite(row: int, text: str) -> str:
            return replaced(text, lambda word: self._switched(word, lists[row], chance))

        return rewritten(rows, rewrite), torch.arange(len(rows))

    def _switched(self, word: str, lists: Sequence[Dictionary], chance: Iterator[float]) -> str:
        if not lists or next(chance) >= self.rate:
            return word
        others = pick(lists, next(chance)).get(key(word))
        return cased(pick(others, next(chance)), like=word) if others else word

    def _lists_for(self, languages: set[str]) -> dict[str, list[Dictionary]]:
        """What the words of rows in each language may be looked up in."""
        switchable = self._switchable()
        lists = {
            language: [self._list_of(language, backwards=True)] if language in switchable else []
            for language in languages
        }
        if self.source in languages:
            lists[self.source] = [self._list_of(language) for language in switchable]
        return lists

    def _list_of(self, language: str, *, backwards: bool = False) -> Dictionary:
        path = self.path.replace(SLOT, language)
        return translations(path, self.source, language, backwards=backwards)

    def _switchable(self) -> list[str]:
        """L, in a fixed order: as named, or else every language whose file there is."""
        if self.languages is not None:
            return self.languages
        first, *rest = map(re.escape, self.path.split(SLOT))
        name = re.compile(rf"{first}(?P<code>{CODE})" + "(?P=code)".join(rest))
        found = map(name.fullmatch, glob(escape(self.path).replace(SLOT, "*")))
        return sorted({match["code"] for match in found if match} - {self.source})
