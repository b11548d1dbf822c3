"""A combinator: only the rows that several selectors agree on."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool, Selection, Sizes
from conlst.selectors.base import Selector, selectors
from conlst.selectors.built import Built, Inner
from conlst.selectors.selections import cut

Slot = Annotated[Selector, selectors]


@selectors.register("all_of")
class AllOf(Selector):
    r"""Keep the rows that every selector keeps and takes for the same class.

        S   = { n in S_1 .. S_I : one class c has y_nc = max_c' y_nc' of selector i for every i }
        w_n = product over i of w_n of selector i
        y_n = y_n of selector 1

    Symbols: S_i, the rows that selector i keeps; y_nc, its target, float[N, C]; w_n, its weight,
    float[N]. Each selector sees the whole pool and none sees what another one kept; they draw from
    the same generator one after the other.

    Paper: the conjunction of criteria is as old as UPS (Rizve et al. 2021: confident and certain);
    any selectors may stand here, such as a threshold and `cut_edge`.

    Departs: nothing is published to depart from. Targets are not mixed: a product or mean would be
    a distribution that no selector stands for, so the first one's is taken and rows in dispute are
    dropped. A candidate set agrees with every class in it. A weight that underflows counts as the
    least positive number.

    Raises:
        pydantic.ValidationError: no selectors, or parameters of one of them are wrong.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.95, 0.05], [0.70, 0.30], [0.04, 0.96]])
        >>> both = AllOf.model_validate(
        ...     {"selectors": [{"type": "fixed"}, {"type": "uncertainty", "share": 0.34}]}
        ... )
        >>> both(pool, generator=torch.Generator()).index.tolist()
        [2]
    """

    selectors: list[Slot] = Field(min_length=1, description="all of them must keep a row")

    def build(self, sizes: Sizes) -> Built:
        return Built(self.combined, [selector.build(sizes) for selector in self.selectors])

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        return self.combined(self.selectors, pool, generator=generator)

    def combined(
        self, inner: Sequence[Inner], pool: Pool, *, generator: torch.Generator
    ) -> Selection:
        """The formula, over selectors that may have been built."""
        parts = [selector(pool, generator=generator) for selector in inner]
        count_N = torch.zeros(len(pool), dtype=torch.int64)
        for part in parts:
            count_N[part.index] += 1
        shared = [cut(part, count_N[part.index] == len(parts)) for part in parts]
        likeliest_IKC = torch.stack([_likeliest(part.target_KC) for part in shared])
        least = torch.finfo(shared[0].weight.dtype).tiny
        weight = torch.stack([part.weight for part in shared]).prod(0).clamp(min=least)
        first = Selection(shared[0].index, shared[0].target_KC, weight)
        return cut(first, likeliest_IKC.all(0).any(1))


def _likeliest(target_KC: Tensor) -> Tensor:
    """bool[K, C]: the class of the largest target, or all of them in a candidate set."""
    return target_KC == target_KC.amax(1, keepdim=True)
