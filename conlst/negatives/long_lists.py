"""Draws from lists far longer than K, where repeats and translations of the anchor are rare.

A draw here is a dozen small NumPy operations; a torch operation on so few numbers costs several
times as much. What is rare is left to Python loops, or to the whole way of `drawing`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.lists import Lists

LONG = 16
"""A list of more than LONG * K rows is long: of 5/4 K places drawn in it 1/20 K are repeats."""
FEW = 8
"""Up to so many draws Python's sets are quicker at finding repeats than NumPy is (measured)."""
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LongLists:
    """Lists of which each is long, whatever class is asked for."""

    rows: Ints
    """int64[n]: rows of the pool by class."""
    first_C1: Ints
    size_C1: Ints
    group_N: Ints
    K: int

    @classmethod
    def of(cls, lists: Lists, pool: Pool, K: int) -> "LongLists | None":
        """The lists by class alone, if all are long.

        Examples:
            >>> from conlst.testing import pool_of
            >>> pool = pool_of([[0.9, 0.1], [0.1, 0.9]] * 20)
            >>> lists = Lists.of(pool, torch.arange(40), by_language=False)
            >>> LongLists.of(lists, pool, 2) is None
            True
            >>> long = LongLists.of(lists, pool, 1)
            >>> long.size_C1.tolist()
            [[20], [20]]
        """
        if lists.L > 1 or int(lists.sizes_CL.min()) <= LONG * K:
            return None
        offsets = lists.offsets.numpy()
        first_C1, size_C1 = offsets[:-1, None], np.diff(offsets)[:, None]
        return cls(lists.rows.numpy(), first_C1, size_C1, pool.group.numpy(), K)

    def draw(
        self, anchors_B: Tensor, class_B: Tensor, *, share: bool, generator: torch.Generator
    ) -> Tensor | None:
        """K rows of each anchor's class, uniformly and without replacement, int64[B, K].

        None where chance was against it, which does not depend on what rows would be drawn.

        Args:
            anchors_B: rows of the pool, of whose groups none is drawn.
            class_B: what each asks for.
            share: anchors of one class share a draw, with -1 for a translation; the first of them
                has none.
            generator: chance.
        """
        anchor_B, asked_B, K = anchors_B.numpy(), class_B.numpy(), self.K
        first_U1, size_U1 = self.first_C1, self.size_C1
        if not share:
            first_U1, size_U1 = first_U1[asked_B], size_U1[asked_B]
        shape = (len(size_U1), K + K // 4)  # a few to spare, for repeats
        place_UW = torch.randint(2**62, shape, generator=generator).numpy()
        place_UW %= size_U1
        place_UW += first_U1
        rows_UW = self.rows[place_UW]
        rows_UK = _without_repeats(rows_UW, K)
        if rows_UK is None:
            return None
        rows_BK, group_BK = rows_UK, self.group_N.take(rows_UK)
        if share:
            rows_BK, group_BK = rows_UK.take(asked_B, 0), group_BK.take(asked_B, 0)
        own_BK = group_BK == self.group_N[anchor_B][:, None]
        if np.count_nonzero(own_BK):
            drawing = np.unique(asked_B, return_index=True)[1] if share else slice(None)
            if own_BK[drawing].any():
                return None
            rows_BK[own_BK] = -1
        return torch.from_numpy(np.ascontiguousarray(rows_BK))


def _without_repeats(rows_UW: Ints, K: int) -> Ints | None:
    """The first K different rows of each, int64[U, K], in place; None if someone has too few.

    Examples:
        >>> _without_repeats(np.array([[7, 8, 9], [4, 4, 5]]), 2).tolist()
        [[7, 8], [4, 5]]
    """
    rows_UK = rows_UW[:, :K]
    for u in _repeating(rows_UK):
        different = list(dict.fromkeys(rows_UW[u].tolist()))
        if len(different) < K:
            return None
        rows_UK[u] = different[:K]
    return rows_UK


def _repeating(rows_UK: Ints) -> list[int]:
    """Which of them name a row twice."""
    U, K = rows_UK.shape
    if U <= FEW:
        return [u for u, row_K in enumerate(rows_UK.tolist()) if len(set(row_K)) < K]
    sorted_UK = np.sort(rows_UK, axis=1)
    again_U = (sorted_UK[:, 1:] == sorted_UK[:, :-1]).any(1)
    return [int(u) for u in again_U.nonzero()[0]]
