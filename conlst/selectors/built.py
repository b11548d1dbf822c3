"""A combinator online: the selectors it holds may remember, each by itself."""

from collections.abc import Callable, Sequence

import torch

from conlst.arrays import Pool, Selection

Inner = Callable[..., Selection]
"""A selector, or what its `build` returned: `(pool, *, generator) -> Selection`."""


class Built(torch.nn.Module):
    """A combinator whose selectors were built; what they remember is saved with it.

    Args:
        combine: the combinator's formula, as `(inner, pool, *, generator) -> Selection`.
        inner: what its selectors built.
    """

    def __init__(self, combine: Callable[..., Selection], inner: Sequence[Inner]) -> None:
        super().__init__()
        self.combine = combine
        self.inner = tuple(inner)
        self.memories = torch.nn.ModuleList(
            part for part in inner if isinstance(part, torch.nn.Module)
        )

    def forward(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        """What the combinator makes of what its selectors say of the batch."""
        return self.combine(self.inner, pool, generator=generator)
