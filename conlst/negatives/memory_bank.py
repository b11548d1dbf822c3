"""Negatives that are remembered, not encoded: what the model made of them when it saw them last."""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import negatives
from conlst.negatives.by_class import ByClass, Drawing


@negatives.register("memory_bank")
class MemoryBank(ByClass):
    r"""Draw K confident rows of the complementary class whose outputs are remembered.

        N_b = K rows drawn from { j remembered : confident_j, yhat_j = ybar_b, group_j != group_b }
        v_j = h_j                                             momentum = 0, the newest output
        v_j = unit( m unit(v_j) + (1 - m) unit(h_j) )         momentum = m > 0

    Symbols: b, an anchor; ybar_b, `complement_B` int64[B]; yhat_j, the pseudo-label of pool row j,
    int64[N]; h_j, float[D], the contrastive output of row j when it was last an anchor; v_j,
    float[D], what stands for it in the loss; unit(x) = x / |x|; K, `count`.

    Paper: Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination", section 3; momentum is .5 in its code.

    Departs: Wu et al. start from random vectors; here a row is no negative until something was
    remembered of it, and the stage begins by remembering every row. Negatives are of the
    complementary class, and they are K, not thousands: as they cost no encoding, K may be hundreds.
    They get no gradient and are up to an epoch old. A first output is kept as it is, at unit length
    where there is a momentum. What `empty` does is what it does for `uniform`, among the rows that
    are remembered. Called without what `build` returns, it draws as if all rows were remembered.

    Raises:
        ValueError: the pool does not say who is confident; or a row is recalled of which nothing
            was remembered.
        BadInput: a class has no confident row and `empty` is "error".

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]], confident=[True, True, True])
        >>> bank = MemoryBank(count=2).build(pool)
        >>> bank.remember(torch.tensor([0, 2]), torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        >>> anchor, complement = torch.tensor([0]), torch.tensor([1])
        >>> bank.draw(pool, anchor, complement, generator=torch.Generator())
        tensor([[ 2, -1]])
        >>> bank.recall(torch.tensor([2]))
        tensor([[0., 2.]])
    """

    momentum: float = Field(
        0.0, ge=0, lt=1, description="m: share of what is remembered that an output leaves in place"
    )

    def build(self, pool: Pool) -> "Bank":
        """A memory of nothing yet."""
        return Bank(self, pool)


class Bank:
    """What is remembered of a pool's rows, and the draws from it."""

    def __init__(self, sampler: MemoryBank, pool: Pool) -> None:
        self._sampler = sampler
        self._pool = pool
        self._known_N = torch.zeros(len(pool), dtype=torch.bool)
        self._outputs_ND: Tensor | None = None
        self._drawing: Drawing | None = None

    def draw(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """Remembered rows for each anchor, int64[B, K]; all -1 while nothing is remembered."""
        if self._outputs_ND is None:
            return torch.full((len(anchors_B), self._sampler.count), -1)
        if self._drawing is None:
            among = None if bool(self._known_N.all()) else self._known_N
            self._drawing = self._sampler.drawing(self._pool, among)
        return self._drawing.draw(pool, anchors_B, complement_B, generator=generator)

    def recall(self, rows_M: Tensor) -> Tensor:
        """What is remembered of these rows, float[M, D], without gradient.

        Raises:
            ValueError: nothing is, of some row.
        """
        rows_M = rows_M.cpu()
        if self._outputs_ND is None or not bool(self._known_N[rows_M].all()):
            raise ValueError("of some rows nothing was remembered; recall only what was drawn")
        return self._outputs_ND[rows_M.to(self._outputs_ND.device)]

    @torch.no_grad()
    def remember(self, rows_B: Tensor, outputs_BD: Tensor) -> None:
        """Keep the outputs, or what momentum makes of them, where the first ones lay."""
        rows_B = rows_B.cpu()
        if self._outputs_ND is None:
            self._outputs_ND = outputs_BD.new_zeros(len(self._pool), outputs_BD.shape[1])
        kept_ND = self._outputs_ND
        at_B, new_BD = rows_B.to(kept_ND.device), outputs_BD.detach().to(kept_ND)
        if m := self._sampler.momentum:
            new_BD = _unit(m * kept_ND[at_B] + (1 - m) * _unit(new_BD))  # m * 0 at first
        kept_ND[at_B] = new_BD
        if not bool(self._known_N[rows_B].all()):
            self._known_N[rows_B] = True
            self._drawing = None  # its lists lack the rows that are new

    def state_dict(self) -> dict[str, Tensor | None]:
        return {"known_N": self._known_N, "outputs_ND": self._outputs_ND}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._known_N, kept_ND, there = state["known_N"], state["outputs_ND"], self._outputs_ND
        self._outputs_ND = kept_ND if there is None or kept_ND is None else kept_ND.to(there)
        self._drawing = None


def _unit(x_BD: Tensor) -> Tensor:
    return torch.nn.functional.normalize(x_BD, dim=1)
