"""What a selector is: it decides which pseudo-labels to trust."""

from abc import abstractmethod

import torch

from conlst.arrays import Pool, Selection
from conlst.registry import Registry, Strategy


class Selector(Strategy):
    """Contract: `(pool, *, generator) -> Selection`.

    A selector sees probabilities and features, never a gold label, and returns rows in ascending
    order without repeats, each with a target that sums to 1 and a weight in (0, 1]. Selecting
    nothing is allowed. Chance comes only from `generator`. `needs` may hold "passes" (stochastic
    passes in `pool.probs_PNC`) or "source" (`pool.source`).
    """

    @abstractmethod
    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection: ...


selectors: Registry[Selector] = Registry("selectors", Selector)
