"""What an augmenter is: it makes strong views of rows, at the level it declares."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from conlst.arrays import Points, Rows, TokenBatch
from conlst.progress import Progress
from conlst.registry import Registry, Strategy

Level = Literal["rows", "tokens", "states", "features", "mixed"]


class Augmenter(Strategy):
    """Contract: each level has its own method, and an augmenter overrides the one it declares.

    * "rows": `rows(rows, *, generator) -> (rows, origin)`, before tokenising; as many or more;
    * "tokens": `tokens(batch, *, generator) -> batch`, one view a row, origin unchanged;
    * "states": `states(points, *, generator) -> points`, the states of every token where they leave
      layer `layer` (0: the token embeddings before anything is added), one view a row;
    * "features": `features(points, *, generator) -> points`, what enters the classifier;
    * "mixed": a combinator; it holds others and overrides `branches`.

    States and features keep their gradient, and targets are mixed as they are. `level` is a class
    attribute, or a property where it depends on a parameter. `needs` may hold "source" (`source` in
    the points it is given) and "languages" (at least two adapted languages in one model).

    `branches` says which augmenters a batch of n rows goes through: a list of (origin, chain),
    origin int64[m] being the rows that take the chain. A plain augmenter takes all rows.
    """

    level: ClassVar[Level]

    @property
    def at_layer(self) -> int:
        """Of an augmenter of states: after which layer; 0 for the token embeddings."""
        return 0

    def branches(
        self, n: int, *, generator: torch.Generator
    ) -> list[tuple[Tensor, tuple["Augmenter", ...]]]:
        """Which rows of a batch of `n` go through which chain of plain augmenters."""
        return [(torch.arange(n), (self,))]

    def misfits(self, languages: tuple[str, ...]) -> list[str]:
        """What keeps it from working with these languages, before anything runs; else nothing."""
        return []

    def files(self) -> list[str]:
        """The files it reads: a run that is taken up goes on only if they are as they were."""
        return []

    def prepare(self, rows: Rows, progress: Progress) -> dict[str, object]:
        """Do once for all rows what would be slow row by row, and say what the report tells of it.

        What is made is kept where a later run finds it; `rows` then reads it from there.
        """
        return {}

    def rows(self, rows: Rows, *, generator: torch.Generator) -> tuple[Rows, Tensor]:
        """New texts for `rows`, and for each the index of the row it was made from."""
        return rows, torch.arange(len(rows))

    def tokens(self, batch: TokenBatch, *, generator: torch.Generator) -> TokenBatch:
        """The batch with other tokens in some places."""
        return batch

    def states(self, points: Points, *, generator: torch.Generator) -> Points:
        """Other states of the tokens, and the targets that belong to them."""
        return points

    def features(self, points: Points, *, generator: torch.Generator) -> Points:
        """Other features, and the targets that belong to them."""
        return points


augmenters: Registry[Augmenter] = Registry("augmenters", Augmenter)
