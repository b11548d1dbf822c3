"""Where each row stands within its own group."""

import torch
from torch import Tensor


def rank_within(group_N: Tensor, score_N: Tensor) -> Tensor:
    """Each row's place within its group, int64[N], 0 for the largest score; ties in row order.

    Args:
        group_N: int64[N], from 0.
        score_N: float[N].

    Examples:
        >>> rank_within(torch.tensor([0, 1, 0, 0]), torch.tensor([0.5, 0.1, 0.9, 0.5]))
        tensor([1, 0, 0, 2])
    """
    by_score = score_N.argsort(descending=True, stable=True)
    order = by_score[group_N[by_score].argsort(stable=True)]
    counts = torch.bincount(group_N)
    first = counts.cumsum(0) - counts
    rank_N = torch.empty_like(order)
    rank_N[order] = torch.arange(len(order)) - first[group_N[order]]
    return rank_N
