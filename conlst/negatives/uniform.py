"""Eq. 5 of CoNLST: negatives drawn at random from the confident rows of the complementary class."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool
from conlst.errors import BadInput
from conlst.negatives.base import NegativeSampler, negatives

WINDOW = 4
"""A list of up to WINDOW * K rows is shuffled whole; in a longer one that many places are drawn."""


@negatives.register("uniform")
class Uniform(NegativeSampler):
    r"""Draw K confident rows of the complementary class, uniformly and without replacement.

        N_b = K rows drawn from { j : confident_j, yhat_j = ybar_b, group_j != group_b }

    Symbols: b, an anchor; ybar_b, `complement_B` int64[B]; yhat_j, the pseudo-label of pool row j,
    int64[N]; K, `count`; the answer is int64[B, K], with -1 where the set has fewer than K rows.

    Paper: Li et al. 2024, CoNLST, Eq. 5.

    Departs: K is not given (16 here). Translations of the anchor are no negatives of it. With
    `share: class` the anchors of a batch with one ybar share one draw, so that a step encodes at
    most C * K negatives. The paper is silent on a class without any confident row, frequent in
    low-resource languages; `empty` decides: its K most confident rows stand in (most_confident);
    the anchor gets none (skip); the least likely class that has confident rows and is not the
    anchor's own takes its place (next_lowest); or the run ends (error).

    A draw costs O(B K) whatever N: places are drawn in the lists `pool.confident_by_class`, and
    repeats rejected. Only where the anchor's own group fills the window is a list shuffled whole.

    Raises:
        ValueError: the pool does not say who is confident.
        BadInput: a class has no confident row and `empty` is "error".

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of(
        ...     [[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.4, 0.6]],
        ...     confident=[True, True, True, False],
        ... )
        >>> anchor, complement = torch.tensor([0]), torch.tensor([1])
        >>> Uniform(count=3)(pool, anchor, complement, generator=torch.Generator().manual_seed(0))
        tensor([[ 2,  1, -1]])
    """

    empty: Literal["most_confident", "skip", "next_lowest", "error"] = Field(
        "most_confident", description="what to do when a class has no confident row"
    )

    def __call__(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        if self.empty == "next_lowest":
            complement_B = _next_lowest(pool, anchors_B, complement_B)
        own_B, empty_B = pool.group[anchors_B], _nobody_confident(pool)[complement_B]
        if self.empty == "error" and bool(empty_B.any()):
            self._refuse(pool, complement_B[empty_B])
        places = partial(_at_random, generator)
        chosen_BK = self._from(pool.confident_by_class, pool, complement_B, own_B, places)
        if self.empty == "most_confident" and bool(empty_B.any()):
            chosen_BK[empty_B] = self._from(
                pool.rows_by_class, pool, complement_B[empty_B], own_B[empty_B], _in_order
            )
        return chosen_BK

    def draw(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """As the contract says; but who shares a draw is decided after `next_lowest`.

        The next lowest class of one anchor may be another anchor's own pseudo-label.
        """
        if self.empty == "next_lowest":
            complement_B = _next_lowest(pool, anchors_B, complement_B)
        return super().draw(pool, anchors_B, complement_B, generator=generator)

    def _refuse(self, pool: Pool, classes: Tensor) -> None:
        names = ", ".join(pool.classes[c] for c in sorted(set(classes.tolist())))
        raise BadInput(
            f"uniform: no confident row is predicted to be {names}; lower the threshold of "
            f"contrastive.confident, or set negatives.empty to most_confident, skip or next_lowest"
        )

    def _from(
        self,
        lists: tuple[Tensor, Tensor],
        pool: Pool,
        class_B: Tensor,
        own_B: Tensor,
        places: Callable[[Tensor, int], Tensor],
    ) -> Tensor:
        """K rows of each class's list, taken in the order of `places`, none of the own group."""
        rows, offsets = lists
        if not len(rows):
            return torch.full((len(class_B), self.count), -1)
        first_B, size_B = offsets[class_B], offsets.diff()[class_B]

        def pick(which: Tensor, width: int) -> Tensor:
            place_BW = places(size_B[which], width)
            at_BW = first_B[which][:, None] + place_BW
            rows_BW = rows[at_BW.where(place_BW >= 0, 0)].where(place_BW >= 0, -1)
            return _first(pool, rows_BW, own_B[which], self.count)

        width = WINDOW * self.count
        chosen_BK = pick(torch.arange(len(class_B)), width)
        # Only an own group that fills the window leaves a gap although the list goes on: look at
        # the whole list then. That is rare enough for a loop.
        for b in ((chosen_BK[:, -1] < 0) & (size_B > width)).nonzero():
            chosen_BK[b] = pick(b, int(size_B[b]))
        return chosen_BK


def _at_random(generator: torch.Generator, size_B: Tensor, width: int) -> Tensor:
    """Distinct random places below each size, in random order; -1 where there is none."""
    shape, size_B1 = (len(size_B), width), size_B[:, None]
    whole_BW = torch.rand(shape, generator=generator, dtype=torch.float64).argsort(1)
    drawn_BW = torch.randint(2**62, shape, generator=generator) % size_B1.clamp(min=1)
    place_BW = whole_BW.where(size_B1 <= width, _without_repeats(drawn_BW))
    return place_BW.where(place_BW < size_B1, -1)


def _in_order(size_B: Tensor, width: int) -> Tensor:
    place_BW = torch.arange(width).expand(len(size_B), -1)
    return place_BW.where(place_BW < size_B[:, None], -1)


def _without_repeats(place_BW: Tensor) -> Tensor:
    sorted_BW, order_BW = place_BW.sort(dim=1, stable=True)
    again_BW = torch.zeros_like(place_BW, dtype=torch.bool)
    again_BW[:, 1:] = sorted_BW[:, 1:] == sorted_BW[:, :-1]
    return place_BW.masked_fill(again_BW.gather(1, order_BW.argsort(1)), -1)


def _first(pool: Pool, rows_BW: Tensor, own_B: Tensor, K: int) -> Tensor:
    """The first K of each anchor's rows that are rows and not of its own group, then -1."""
    good_BW = (rows_BW >= 0) & (pool.group[rows_BW.clamp(min=0)] != own_B[:, None])
    order_BK = (~good_BW).byte().argsort(dim=1, stable=True)[:, :K]
    return rows_BW.gather(1, order_BK).where(good_BW.gather(1, order_BK), -1)


def _nobody_confident(pool: Pool) -> Tensor:
    """bool[C]: the classes that no confident row is predicted to be."""
    return pool.confident_by_class[1].diff() == 0


def _next_lowest(pool: Pool, anchors_B: Tensor, complement_B: Tensor) -> Tensor:
    """Each anchor's complementary class, or the next one that has confident rows, if any has."""
    empty_C = _nobody_confident(pool)
    own_B1 = pool.pseudo_label[anchors_B][:, None]
    probs_BC = (
        pool.probs_NC[anchors_B].masked_fill(empty_C, torch.inf).scatter(1, own_B1, torch.inf)
    )
    least_B, class_B = probs_BC.min(1)
    return class_B.where(empty_C[complement_B] & least_B.isfinite(), complement_B)
