"""Which languages an anchor's negatives may come from, and how places are shared out among them."""

import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import Languages, Weights


def weight_of(weights: Weights, pool: Pool) -> Tensor:
    """The weight of each language of the pool, float64[L]; 0 for one that is not named.

    Examples:
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.9, 0.1]] * 2, languages=["sw", "th"])
        >>> weight_of({"th": 2.0, "ur": 1.0}, pool)
        tensor([0., 2.], dtype=torch.float64)
    """
    return torch.tensor([weights.get(code, 0.0) for code in pool.languages], dtype=torch.float64)


def reached(languages: Languages, pool: Pool, language_U: Tensor) -> Tensor:
    """The languages each asker may draw from, bool[U, L]; L = 1 where they make no difference."""
    if languages == "all":
        return torch.ones(len(language_U), 1, dtype=torch.bool)
    if isinstance(languages, dict):
        return (weight_of(languages, pool) > 0).expand(len(language_U), -1)
    own_UL = torch.nn.functional.one_hot(language_U, len(pool.languages)).bool()
    return own_UL if languages == "own" else ~own_UL


def by_weight(rows_ULK: Tensor, weight_L: Tensor, generator: torch.Generator) -> Tensor:
    """Fill K places, each from a language drawn by weight among those that have a row left.

    The rows of a language arrive one by one, after waits that are exponential of rate `weight_L`.
    As such waits have no memory, the next to arrive is of each language by its weight.

    Args:
        rows_ULK: int64[U, L, K], what each language would give, in this order; then -1.
        weight_L: float64[L].
        generator: chance.

    Returns:
        int64[U, K]; -1 where no language of any weight has a row left.
    """
    U, _, K = rows_ULK.shape
    wait_ULK = torch.empty(rows_ULK.shape, dtype=torch.float64).exponential_(generator=generator)
    arrival_ULK = wait_ULK.cumsum(2) / weight_L[:, None]
    never_ULK = (rows_ULK < 0) | (weight_L[:, None] == 0)
    order_UK = arrival_ULK.masked_fill(never_ULK, torch.inf).view(U, -1).argsort(1)[:, :K]
    return rows_ULK.masked_fill(never_ULK, -1).view(U, -1).gather(1, order_UK)
