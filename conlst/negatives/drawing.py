"""K rows for each asker out of lists, at random or in order, none of them of its own group."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import NegativeSampler
from conlst.negatives.languages import by_weight, reached, weight_of
from conlst.negatives.lists import Lists, Stretches

WINDOW = 4
"""A list of up to WINDOW * K rows is shuffled whole; in a longer one that many places are drawn."""

Places = Callable[[Tensor, int], Tensor]
"""(sizes int64[U], W) -> int64[U, W]: distinct places below each size; -1 where there is none."""


def drawn(
    sampler: NegativeSampler,
    lists: Lists,
    pool: Pool,
    anchor_U: Tensor,
    class_U: Tensor,
    *,
    generator: torch.Generator,
) -> Tensor:
    """K rows of each asker's class, int64[U, K], uniformly and without replacement; then -1."""
    places = partial(_at_random, generator)
    return _taken(sampler, lists, pool, anchor_U, class_U, places, generator)


def most_confident(
    sampler: NegativeSampler,
    lists: Lists,
    pool: Pool,
    anchor_U: Tensor,
    class_U: Tensor,
    *,
    generator: torch.Generator,
) -> Tensor:
    """The K most confident rows of each asker's class, int64[U, K]; then -1.

    The lists hold the most confident first. Only weights leave something to chance.
    """
    if sampler.languages != "other":
        return _taken(sampler, lists, pool, anchor_U, class_U, _in_order, generator)
    rows_ULK = _by_language(lists, pool, anchor_U, class_U, sampler.count, _in_order)
    reached_UL = reached("other", pool, pool.language[anchor_U])
    rows_UM = rows_ULK.where(reached_UL[:, :, None], -1).flatten(1)
    confidence_UM = pool.confidence[rows_UM.clamp(min=0)].where(rows_UM >= 0, -1)
    order_UM = confidence_UM.argsort(dim=1, descending=True, stable=True)
    return rows_UM.gather(1, order_UM[:, : sampler.count])


def _taken(
    sampler: NegativeSampler,
    lists: Lists,
    pool: Pool,
    anchor_U: Tensor,
    class_U: Tensor,
    places: Places,
    generator: torch.Generator,
) -> Tensor:
    languages, K = sampler.languages, sampler.count
    if isinstance(languages, dict):
        rows_ULK = _by_language(lists, pool, anchor_U, class_U, K, places)
        return by_weight(rows_ULK, weight_of(languages, pool), generator)
    if languages == "all":
        stretches = lists.within(class_U)
    elif languages == "own":
        stretches = lists.inside(class_U, pool.language[anchor_U])
    else:
        stretches = lists.outside(class_U, pool.language[anchor_U])
    return _first(lists, stretches, pool, pool.group[anchor_U], K, places)


def _by_language(
    lists: Lists, pool: Pool, anchor_U: Tensor, class_U: Tensor, K: int, places: Places
) -> Tensor:
    """K rows of each asker's class in each language, int64[U, L, K]; then -1."""
    U, L = len(anchor_U), lists.L
    stretches = lists.inside(class_U.repeat_interleave(L), torch.arange(L).repeat(U))
    own_M = pool.group[anchor_U].repeat_interleave(L)
    return _first(lists, stretches, pool, own_M, K, places).view(U, L, K)


def _first(
    lists: Lists, stretches: Stretches, pool: Pool, own_U: Tensor, K: int, places: Places
) -> Tensor:
    """The first K rows of each stretch, in the order of `places`, that are not of the own group."""
    if not len(lists.rows):
        return torch.full((len(own_U), K), -1)

    def pick(which: Tensor, width: int) -> Tensor:
        here = stretches.take(which)
        at_UW = here.at(places(here.size_U, width))
        rows_UW = lists.rows[at_UW.clamp(min=0)].where(at_UW >= 0, -1)
        good_UW = (rows_UW >= 0) & (pool.group[rows_UW.clamp(min=0)] != own_U[which][:, None])
        return first_good(rows_UW, good_UW, K)

    width = WINDOW * K
    chosen_UK = pick(torch.arange(len(own_U)), width)
    # Only an own group that fills the window leaves a gap although the list goes on: look at the
    # whole list then. That is rare enough for a loop.
    for u in ((chosen_UK[:, -1] < 0) & (stretches.size_U > width)).nonzero():
        chosen_UK[u] = pick(u, int(stretches.size_U[u]))
    return chosen_UK


def first_good(values_UW: Tensor, good_UW: Tensor, K: int) -> Tensor:
    """The first K values of each row that are good, then -1.

    Examples:
        >>> first_good(torch.tensor([[7, 8, 9]]), torch.tensor([[True, False, True]]), 3)
        tensor([[ 7,  9, -1]])
    """
    order_UK = (~good_UW).byte().argsort(dim=1, stable=True)[:, :K]
    return values_UW.gather(1, order_UK).where(good_UW.gather(1, order_UK), -1)


def _at_random(generator: torch.Generator, size_U: Tensor, width: int) -> Tensor:
    """Places in random order."""
    shape, size_U1 = (len(size_U), width), size_U[:, None]
    whole_UW = torch.rand(shape, generator=generator, dtype=torch.float64).argsort(1)
    drawn_UW = torch.randint(2**62, shape, generator=generator) % size_U1.clamp(min=1)
    place_UW = whole_UW.where(size_U1 <= width, _without_repeats(drawn_UW))
    return place_UW.where(place_UW < size_U1, -1)


def _in_order(size_U: Tensor, width: int) -> Tensor:
    place_UW = torch.arange(width).expand(len(size_U), -1)
    return place_UW.where(place_UW < size_U[:, None], -1)


def _without_repeats(place_UW: Tensor) -> Tensor:
    sorted_UW, order_UW = place_UW.sort(dim=1, stable=True)
    again_UW = torch.zeros_like(place_UW, dtype=torch.bool)
    again_UW[:, 1:] = sorted_UW[:, 1:] == sorted_UW[:, :-1]
    return place_UW.masked_fill(again_UW.gather(1, order_UW.argsort(1)), -1)
