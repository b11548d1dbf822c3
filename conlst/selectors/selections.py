"""Cutting selections of one pool, and joining them."""

from collections.abc import Iterable

import torch
from torch import Tensor

from conlst.arrays import Pool, Selection


def cut(selection: Selection, keep_K: Tensor) -> Selection:
    """A part of a selection: the rows where `keep_K`, bool[K], holds."""
    return Selection(selection.index[keep_K], selection.target_KC[keep_K], selection.weight[keep_K])


def joined(pool: Pool, parts: Iterable[Selection]) -> Selection:
    """All rows of the parts, in the pool's order; a row of several parts is taken from the first.

    Examples:
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
        >>> late = Selection.hard(pool, torch.tensor([False, True, True]))
        >>> early = Selection(torch.tensor([1]), torch.tensor([[1.0, 0.0]]), torch.tensor([0.5]))
        >>> both = joined(pool, [early, late])
        >>> both.index.tolist(), both.target_KC[:, 0].tolist(), both.weight.tolist()
        ([1, 2], [1.0, 0.0], [0.5, 1.0])
    """
    nothing = Selection.hard(pool, torch.zeros(len(pool), dtype=torch.bool))
    every = [nothing, *parts]
    index = torch.cat([part.index for part in every])
    order = index.argsort(stable=True)
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = index[order[1:]] != index[order[:-1]]
    order = order[first]
    target_KC = torch.cat([part.target_KC for part in every])
    weight = torch.cat([part.weight for part in every])
    return Selection(index[order], target_KC[order], weight[order])
