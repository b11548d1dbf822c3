"""What an augmenter is: it makes strong views of rows, at the level it declares."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from conlst.arrays import Rows, TokenBatch
from conlst.registry import Registry, Strategy

Level = Literal["rows", "tokens", "features", "mixed"]


class Augmenter(Strategy):
    """Contract: each level has its own method, and an augmenter overrides the one it declares.

    * "rows": `rows(rows, *, generator) -> (rows, origin)`, before tokenising;
    * "tokens": `tokens(batch, *, generator) -> batch`, one view a row, origin unchanged;
    * "features": `features(features_BD, target_BC, *, generator) -> (features, target)`, with the
      gradient kept, and targets mixed as the features are;
    * "mixed": a combinator; it holds others and overrides `branches`.

    `branches` says which augmenters a batch of n rows goes through: a list of (origin, chain),
    origin int64[m] being the rows that take the chain. A plain augmenter takes all rows.
    """

    level: ClassVar[Level]

    def branches(
        self, n: int, *, generator: torch.Generator
    ) -> list[tuple[Tensor, tuple["Augmenter", ...]]]:
        """Which rows of a batch of `n` go through which chain of plain augmenters."""
        return [(torch.arange(n), (self,))]

    def rows(self, rows: Rows, *, generator: torch.Generator) -> tuple[Rows, Tensor]:
        """New texts for `rows`, and for each the index of the row it was made from."""
        return rows, torch.arange(len(rows))

    def tokens(self, batch: TokenBatch, *, generator: torch.Generator) -> TokenBatch:
        """The batch with other tokens in some places."""
        return batch

    def features(
        self, features_BD: Tensor, target_BC: Tensor, *, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Other features, and the targets that belong to them."""
        return features_BD, target_BC


augmenters: Registry[Augmenter] = Registry("augmenters", Augmenter)
