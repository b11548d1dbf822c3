"""What a selector is: it decides which pseudo-labels to trust."""

from abc import abstractmethod
from collections.abc import Callable

import torch

from conlst.arrays import Pool, Selection, Sizes
from conlst.registry import Registry, Strategy


class Selector(Strategy):
    """Contract: `(pool, *, generator) -> Selection`.

    A selector sees probabilities and features, never a gold label, and returns rows in ascending
    order without repeats, each with a target that sums to 1 and a weight in (0, 1]. Selecting
    nothing is allowed. Chance comes only from `generator`. `needs` may hold

    * "passes": stochastic passes in `pool.probs_PNC`, as many as its field `passes` says;
    * "source": `pool.source`, labelled source rows as the model sees them;
    * "pool": the whole pool at once: such a selector cannot decide batch by batch;
    * "neighbours": nearest rows by `conlst.neighbours`, so that faiss must be installed.

    Offline, a selector is shown the whole pool once an iteration. Online (`self_training.mode`), it
    is shown every batch, and what `build` returns is called instead: the selector itself, or an
    `nn.Module` whose buffers are what it remembers from step to step.
    """

    def build(self, sizes: Sizes) -> Callable[..., Selection]:
        """What is called batch by batch, as `(pool, *, generator) -> Selection`."""
        return self

    @abstractmethod
    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection: ...


selectors: Registry[Selector] = Registry("selectors", Selector)
