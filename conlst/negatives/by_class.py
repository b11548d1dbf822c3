"""What samplers share that draw from the confident rows of a class, and what if it has none."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool
from conlst.errors import BadInput
from conlst.negatives.base import Drawer, NegativeSampler, without_own
from conlst.negatives.drawing import drawn, most_confident
from conlst.negatives.languages import reached
from conlst.negatives.lists import Lists
from conlst.negatives.long_lists import LongLists


class ByClass(NegativeSampler):
    """A sampler that draws from the confident rows of a class, and knows what to do without any.

    Of several languages only the rows in those an anchor may draw from count.
    """

    empty: Literal["most_confident", "skip", "next_lowest", "error"] = Field(
        "most_confident", description="what to do when a class has no confident row"
    )

    def drawing(self, pool: Pool, among: Tensor | None = None) -> "Drawing":
        """The sampler with its lists of the pool's rows, or of some of them (bool[N])."""
        return Drawing(self, pool, among)

    def build(self, pool: Pool) -> Drawer:
        """The lists are made once."""
        return self.drawing(pool)

    def __call__(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        return self.drawing(pool)(pool, anchors_B, complement_B, generator=generator)

    def draw(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """As the contract says; but who shares a draw is decided after `next_lowest`.

        The next lowest class of one anchor may be another anchor's own pseudo-label.
        """
        return self.drawing(pool).draw(pool, anchors_B, complement_B, generator=generator)


@dataclass(frozen=True, eq=False)
class Askers:
    """Who draws from what: each anchor for itself, or one for all who share a draw."""

    anchors_B: Tensor
    """int64[B]: rows of the pool."""
    who_B: Tensor
    """int64[B]: whose draw each anchor takes."""
    anchor_U: Tensor
    """int64[U]: the anchors that draw."""
    class_U: Tensor
    """int64[U]: what they draw."""
    most_B: Tensor | None = None
    """float[B]: the most similar to its anchor that a negative may be, for a sampler that looks."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A sampler and its lists of a pool, which is the one that every draw is for.

    It draws at random; who draws otherwise overrides `choose`.
    """

    sampler: ByClass
    pool: Pool
    among: Tensor | None = None
    """bool[N]: the rows that may be drawn; None for all."""

    @cached_property
    def confident(self) -> Lists:
        """The confident rows, in the order of the pool."""
        return self._lists(*self.pool.confident_by_class)

    @cached_property
    def ranked(self) -> Lists:
        """All rows, the most confident first."""
        return self._lists(*self.pool.rows_by_class)

    @cached_property
    def long(self) -> LongLists | None:
        """The confident rows again, where draws at random from them can be quick."""
        if type(self).choose is not Drawing.choose or self.sampler.languages != "all":
            return None
        return LongLists.of(self.confident, self.pool, self.sampler.count)

    def _lists(self, rows: Tensor, offsets: Tensor) -> Lists:
        by_language = self.sampler.languages != "all"
        if self.among is None and not by_language:
            return Lists(rows, offsets, 1)
        if self.among is not None:
            rows = rows[self.among[rows]]
        return Lists.of(self.pool, rows, by_language=by_language)

    def __call__(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """A draw for each anchor."""
        if (rows_BK := self._quick(anchors_B, complement_B, generator, share=False)) is not None:
            return rows_BK
        class_B, each_B = self._settled(anchors_B, complement_B), torch.arange(len(anchors_B))
        return self.answer(Askers(anchors_B, each_B, anchors_B, class_B), generator)

    def draw(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """A draw for each anchor, or one for all who share it."""
        share = self.sampler.share == "class"
        if (rows_BK := self._quick(anchors_B, complement_B, generator, share=share)) is not None:
            return rows_BK
        class_B = self._settled(anchors_B, complement_B)
        first_U, who_B = self.sampler.sharing(pool, anchors_B, class_B)
        askers = Askers(anchors_B, who_B, anchors_B[first_U], class_B[first_U])
        return self.answer(askers, generator)

    def _quick(
        self, anchors_B: Tensor, class_B: Tensor, generator: torch.Generator, *, share: bool
    ) -> Tensor | None:
        """What a draw from long lists gives, where all are long and it was lucky: most often."""
        if self.long is None:  # then some class may be empty, too
            return None
        return self.long.draw(anchors_B, class_B, share=share, generator=generator)

    def answer(self, askers: Askers, generator: torch.Generator) -> Tensor:
        """Rows for each anchor, int64[B, K]: from confident rows, or from what stands in."""
        empty_U = self._empty(askers.anchor_U, askers.class_U)
        if self.sampler.empty == "error" and bool(empty_U.any()):
            self._refuse(askers.class_U[empty_U])
        rows_UK = self.choose(askers, generator)
        if self.sampler.empty == "most_confident" and bool(empty_U.any()):
            anchor_E, class_E = askers.anchor_U[empty_U], askers.class_U[empty_U]
            rows_UK[empty_U] = most_confident(
                self.sampler, self.ranked, self.pool, anchor_E, class_E, generator=generator
            )
        return without_own(self.pool, askers.anchors_B, rows_UK[askers.who_B])

    def choose(self, askers: Askers, generator: torch.Generator) -> Tensor:
        """K confident rows for each asker, int64[U, K]; -1 where there are fewer."""
        lists, anchor_U, class_U = self.confident, askers.anchor_U, askers.class_U
        return drawn(self.sampler, lists, self.pool, anchor_U, class_U, generator=generator)

    def _reach(self, anchors_B: Tensor) -> Tensor:
        """int64[B, C]: confident rows of each class that an anchor may draw from."""
        language_B = self.pool.language[anchors_B]
        reached_BL = reached(self.sampler.languages, self.pool, language_B)
        return reached_BL.long() @ self.confident.sizes_CL.T

    def _empty(self, anchors_B: Tensor, class_B: Tensor) -> Tensor:
        return self._reach(anchors_B).gather(1, class_B[:, None]).flatten() == 0

    def _settled(self, anchors_B: Tensor, complement_B: Tensor) -> Tensor:
        """Each anchor's complementary class; with `next_lowest` one with confident rows, if any."""
        if self.sampler.empty != "next_lowest":
            return complement_B
        empty_BC = self._reach(anchors_B) == 0
        own_B1 = self.pool.pseudo_label[anchors_B][:, None]
        probs_BC = self.pool.probs_NC[anchors_B].masked_fill(empty_BC, torch.inf)
        least_B, class_B = probs_BC.scatter(1, own_B1, torch.inf).min(1)
        empty_B = empty_BC.gather(1, complement_B[:, None]).flatten()
        return class_B.where(empty_B & least_B.isfinite(), complement_B)

    def _refuse(self, classes: Tensor) -> None:
        names = ", ".join(self.pool.classes[c] for c in sorted(set(classes.tolist())))
        where = "" if self.sampler.languages == "all" else " in the languages it may be drawn from"
        raise BadInput(
            f"{self.sampler.name}: no confident row is predicted to be {names}{where}; lower the "
            f"threshold of contrastive.confident, or set negatives.empty to most_confident, skip "
            f"or next_lowest"
        )
