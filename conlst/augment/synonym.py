"""Strong view by synonyms: words give way to words of like meaning."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Rows
from conlst.augment.base import Augmenter, Level, augmenters
from conlst.augment.dictionaries import synonyms
from conlst.augment.words import cased, key, pick, replaced, rewritten, uniforms
from conlst.errors import BadInput, allowed


@augmenters.register("synonym")
class Synonym(Augmenter):
    r"""Replace each word by itself or one of its synonyms, all with the same chance.

        w' ~ Uniform( {w} u N(w) ),    for each word w of a text by itself

    Symbols: N(w), the words that the file at `path` lists for w, none if it does not know w. Each
    row of `language` has `copies` views: origin, int64[V], holds it so often.

    Paper: Huang et al. 2021, "Improving Zero-Shot Cross-Lingual Transfer Learning via Robust
    Training" (RS-DA): the expectation over the texts that synonyms lead to, by three samples a row
    on XNLI, ten on PAWS-X, in place of the row itself.

    Departs: the released code cuts at spaces, so that "word." and "Word" never meet their entries;
    here punctuation is no part of a word, words are looked up in lower case, and the synonym is
    given the capitals of the word. Samples are drawn anew each time a row is met, not once before
    training. Both texts of a pair are changed. Rows of other languages stay as they are, once.

    Raises:
        BadInput: the file is not there, or holds something else than lists of words.

    Examples:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "near.json")
        ...     _ = path.write_text('{"movie": ["film", "picture"]}')
        ...     rows = Rows(["1"], ["Movie? A movie."], None, ["en"])
        ...     near = Synonym(path=str(path), copies=4)
        ...     near.rows(rows, generator=torch.Generator().manual_seed(0))[0].texts
        ['Picture? A film.', 'Picture? A picture.', 'Movie? A film.', 'Movie? A movie.']
    """

    level: ClassVar[Level] = "rows"
    path: str = Field(description='JSON, plain or gzipped: {"word": ["one like it", ...], ...}')
    language: str = Field("en", description="the language of these words")
    copies: int = Field(3, ge=1, description="views of a row, each with draws of its own")

    def misfits(self, languages: tuple[str, ...]) -> list[str]:
        """A file that cannot be used, or a language that no row is in."""
        found = []
        if self.language not in languages:
            found.append(
                f"language: no rows in {self.language!r}; {allowed(self.language, languages)}"
            )
        try:
            synonyms(self.path)
        except BadInput as error:
            found.append(f"path: {error}")
        return found

    def files(self) -> list[str]:
        """The synonyms."""
        return [self.path]

    def rows(self, rows: Rows, *, generator: torch.Generator) -> tuple[Rows, Tensor]:
        """The views of each row, side by side, and the rows they were made from."""
        near, chance = synonyms(self.path), uniforms(generator)

        def change(word: str) -> str:
            other = pick(("", *near.get(key(word), ())), next(chance))
            return cased(other, like=word) or word

        ours = [language == self.language for language in rows.languages]
        origin = [row for row, known in enumerate(ours) for _ in range(self.copies if known else 1)]
        made = rewritten(
            rows.take(origin),
            lambda view, text: replaced(text, change) if ours[origin[view]] else text,
        )
        return made, torch.tensor(origin, dtype=torch.int64)
