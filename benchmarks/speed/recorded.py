"""Parts that tell the benchmark what a stage did: a sampler that records, a labeller of few."""

import torch
from pydantic import PrivateAttr
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives import AllOthers, Uniform
from conlst.negatives.base import Drawer

Step = tuple[Tensor, Tensor]
"""Anchors int64[B] and the rows drawn for each, int64[B, K]."""


class Recorded(Uniform):
    """`uniform`, and a list of what it drew."""

    _steps: list[Step] = PrivateAttr(default_factory=list)

    def build(self, pool: Pool) -> Drawer:
        return _Recorder(super().build(pool), self._steps)

    def steps(self) -> list[Step]:
        """What was drawn since `forget`."""
        return self._steps

    def forget(self) -> None:
        self._steps.clear()


class _Recorder:
    def __init__(self, drawer: Drawer, steps: list[Step]) -> None:
        self.drawer, self.steps = drawer, steps

    def draw(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        rows_BK = self.drawer.draw(pool, anchors_B, complement_B, generator=generator)
        self.steps.append((anchors_B, rows_BK))
        return rows_BK


class Few(AllOthers):
    """`all_others` for the first rows of a pool: the others are no anchors."""

    rows: int = 32

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Tensor:
        admissible_NC = super().__call__(pool, generator=generator)
        return admissible_NC & (torch.arange(len(pool)) < self.rows)[:, None]
