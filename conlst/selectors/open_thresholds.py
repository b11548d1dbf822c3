"""Say so when a threshold stops nobody: no confidence is ever below 1/C."""

import warnings

import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.errors import ConlstWarning


def warn_of_open(name: str, pool: Pool, threshold: Tensor, remedy: str) -> None:
    """Warn where T(c) <= 1/C, naming the languages and the classes.

    Args:
        name: how recipes call the selector.
        pool: what it looks at.
        threshold: the least confidence that is asked, float[C] by class or one for all.
        remedy: what to do about it, the end of the message.
    """
    C = len(pool.classes)
    open_C = (threshold <= 1 / C).expand(C).tolist()
    if not any(open_C):
        return
    names = ", ".join(name for name, is_open in zip(pool.classes, open_C, strict=True) if is_open)
    where = ", ".join(pool.languages[i] for i in torch.unique(pool.language).tolist())
    warnings.warn(
        f"{name} ({where}): the thresholds of {names} are at most 1/C = {1 / C:.3f}, so "
        f"every row predicted so is kept; {remedy}",
        ConlstWarning,
        stacklevel=3,
    )


def a_floor(pool: Pool) -> str:
    """The remedy where a selector has a floor: one half-way between 1/C and 1."""
    return f"a floor prevents it, such as floor: {(1 + 1 / len(pool.classes)) / 2:.2f}"


class AfterOnePass(torch.nn.Module):
    """`warn_of_open` online: once, when as many rows were shown as the pool has.

    Before that, thresholds are low because nothing is known yet, as the methods intend. How many
    rows are left to show is remembered with all else: a run taken up does not warn again.
    """

    left: Tensor

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.register_buffer("left", torch.tensor(max(rows, 1)))

    def forward(self, name: str, pool: Pool, threshold: Tensor, remedy: str) -> None:
        """Count the rows of a batch, and warn at the end of the pass."""
        if self.left > 0:
            self.left -= len(pool)
            if self.left <= 0:
                warn_of_open(name, pool, threshold, remedy)
