"""Rows by class and language: what is drawn from them costs the same however many there are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from conlst.arrays import Pool


@dataclass(frozen=True, eq=False)
class Stretches:
    """The places of lists that each of U askers draws from: a stretch, perhaps with a gap in it."""

    first_U: Tensor
    size_U: Tensor
    """int64[U]: places, those in the gap not counted."""
    gap_U: Tensor
    """int64[U]: after how many places the gap comes."""
    skip_U: Tensor
    """int64[U]: how wide it is."""

    def at(self, place_UW: Tensor) -> Tensor:
        """Where the places of each stretch are in the lists, int64[U, W]; -1 stays."""
        beyond_UW = place_UW >= self.gap_U[:, None]
        at_UW = self.first_U[:, None] + place_UW + self.skip_U[:, None] * beyond_UW
        return at_UW.where(place_UW >= 0, -1)

    def take(self, which: Tensor) -> "Stretches":
        """Those of some askers."""
        return Stretches(
            self.first_U[which], self.size_U[which], self.gap_U[which], self.skip_U[which]
        )


@dataclass(frozen=True, eq=False)
class Lists:
    """Rows in CSR form: list c * L + l, of class c and language l.

    List i is `rows[offsets[i]:offsets[i + 1]]`. The languages of a class stand side by side: all of
    them are one stretch, and all but one of them a stretch with a gap.
    """

    rows: Tensor
    """int64[n]: rows of the pool."""
    offsets: Tensor
    """int64[C * L + 1]"""
    L: int
    """Languages; 1 where they make no difference."""

    @classmethod
    def of(cls, pool: Pool, rows: Tensor, *, by_language: bool) -> "Lists":
        """Lists of these rows by pseudo-label; in each list they keep their order.

        Examples:
            >>> from conlst.testing import pool_of
            >>> pool = pool_of([[0.9, 0.1], [0.2, 0.8], [0.8, 0.2]], languages=["th", "sw", "sw"])
            >>> lists = Lists.of(pool, torch.arange(3), by_language=True)
            >>> lists.rows.tolist(), lists.offsets.tolist()
            ([2, 0, 1], [0, 1, 2, 3, 3])
        """
        L = len(pool.languages) if by_language else 1
        cell = pool.pseudo_label[rows] * L
        if by_language:
            cell = cell + pool.language[rows]
        sizes = torch.bincount(cell, minlength=len(pool.classes) * L)
        offsets = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        return cls(rows[cell.argsort(stable=True)], offsets, L)

    @property
    def sizes_CL(self) -> Tensor:
        """int64[C, L]: rows of each list."""
        return self.offsets.diff().view(-1, self.L)

    def within(self, class_U: Tensor) -> Stretches:
        """The rows of each asker's class, whatever their language."""
        first_U = self.offsets[class_U * self.L]
        size_U = self.offsets[(class_U + 1) * self.L] - first_U
        return Stretches(first_U, size_U, size_U, torch.zeros_like(size_U))

    def inside(self, class_U: Tensor, language_U: Tensor) -> Stretches:
        """The rows of each asker's class in its language."""
        cell_U = class_U * self.L + language_U
        first_U = self.offsets[cell_U]
        size_U = self.offsets[cell_U + 1] - first_U
        return Stretches(first_U, size_U, size_U, torch.zeros_like(size_U))

    def outside(self, class_U: Tensor, language_U: Tensor) -> Stretches:
        """The rows of each asker's class in every language but its own."""
        every, own = self.within(class_U), self.inside(class_U, language_U)
        gap_U = own.first_U - every.first_U
        return Stretches(every.first_U, every.size_U - own.size_U, gap_U, own.size_U)
