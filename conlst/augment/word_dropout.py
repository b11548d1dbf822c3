"""Strong view by dropping words."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Rows
from conlst.augment.base import Augmenter, Level, augmenters
from conlst.augment.words import cut, pick, rewritten, uniforms


@augmenters.register("word_dropout")
class WordDropout(Augmenter):
    r"""Drop each word of a text with probability `rate`, but never all of them.

        kept = { w : u_w >= rate },    u_w ~ U[0, 1);    one word drawn uniformly if that is none

    Symbols: u_w, an independent draw for each word of a text. One view a row: origin int64[n]
    counts the n rows.

    Paper: Iyyer et al. 2015, deep averaging networks (rate .3); Wei & Zou 2019, EDA, its random
    deletion (rate .1), which also keeps one word drawn at random where all would go.

    Departs: both texts of a pair lose words, each keeps one at least. Punctuation is no word and
    stays. White space is tidied: one space where there was any, none at the ends. In scripts
    without spaces a word is one character (see `words`).

    Raises:
        pydantic.ValidationError: rate outside (0, 1].

    Examples:
        >>> import torch
        >>> rows = Rows(["1", "2"], ["Well, this is a  short one.", "1 2 3"], None, ["en", "en"])
        >>> WordDropout(rate=0.5).rows(rows, generator=torch.Generator().manual_seed(4))[0].texts
        [', this a short one.', '2']
    """

    level: ClassVar[Level] = "rows"
    rate: float = Field(0.1, gt=0, le=1, description="probability that a word is dropped")

    def rows(self, rows: Rows, *, generator: torch.Generator) -> tuple[Rows, Tensor]:
        """The rows with fewer words."""
        chance = uniforms(generator)

        def rewrite(row: int, text: str) -> str:
            pieces = cut(text)
            words = range(1, len(pieces), 2)
            dropped = [place for place in words if next(chance) < self.rate]
            if dropped and len(dropped) == len(words):
                dropped.remove(pick(dropped, next(chance)))
            for place in dropped:
                pieces[place] = ""
            return " ".join("".join(pieces).split())

        return rewritten(rows, rewrite), torch.arange(len(rows))
