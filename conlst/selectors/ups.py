"""Keep rows that are confident on average over stochastic passes and do not waver between them."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool, Selection
from conlst.selectors.base import Selector, selectors
from conlst.selectors.ranks import rank_within


@selectors.register("ups")
class UPS(Selector):
    r"""Keep rows whose mean over passes is confident and whose standard deviation is small.

        m_nc   = mean_p q_pnc,    yhat_n = argmax_c m_nc,    u_n = std_p q_pnc at c = yhat_n
        keep_n = [ m_n,yhat_n >= threshold and u_n < spread ]

    and in the first `balanced` iterations, of each class c only the b rows of least u_n, where
        b = max( least, min_c #{ n : keep_n and yhat_n = c } )

    Symbols: q_pnc, `pool.probs_PNC` float[P, N, C], the probability of class c for row n in pass p;
    u_n, float[N], with the divisor P - 1; equal u_n fall in row order. A kept row has weight 1 and
    the one-hot target of yhat_n, which need not be the argmax of the deterministic pass.

    Paper: Rizve et al. 2021, "In Defense of Pseudo-Labeling: An Uncertainty-Aware Pseudo-label
    Selection Framework", section 3, and the authors' code (tau_p .70, kappa_p .05, 10 passes).

    Departs: the paper writes u <= kappa, its code <, as here. The code counts the supervised
    iteration before the first pseudo-labels among the 10 balanced ones; here pseudo-labels of 10
    iterations are balanced. The network is re-initialised each iteration there: that is
    `self_training.reinit`. Its negative labels are a complementary labeller. Where no row is kept
    the code fails on an empty mean; here the selection is empty.

    Raises:
        pydantic.ValidationError: a parameter is out of bounds.
        ValueError: the pool has no stochastic passes.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> steady, wavering = [[0.90, 0.10], [0.92, 0.08]], [[0.99, 0.01], [0.70, 0.30]]
        >>> passes = torch.tensor([steady, wavering]).transpose(0, 1)
        >>> pool = pool_of(passes.mean(0), probs_PNC=passes)
        >>> UPS()(pool, generator=torch.Generator()).index.tolist()
        [0]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"passes", "pool"})
    threshold: float = Field(0.7, gt=0, le=1, description="tau_p: least mean probability")
    spread: float = Field(0.05, gt=0, le=1, description="kappa_p: standard deviation to stay below")
    balanced: int = Field(10, ge=0, description="first iterations in which classes are balanced")
    least: int = Field(25, ge=1, description="no class is balanced to fewer rows than that")
    passes: int = Field(10, ge=2, description="stochastic passes")

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        pool = pool.passed(self.passes)
        if pool.probs_PNC is None or len(pool.probs_PNC) < 2:
            raise ValueError("ups needs two or more stochastic passes in pool.probs_PNC")
        mean_N, label_N = pool.probs_PNC.mean(0).max(1)
        spread_N = pool.probs_PNC[:, torch.arange(len(pool)), label_N].double().std(0)
        keep_N = (mean_N >= self.threshold) & (spread_N < self.spread)
        index = keep_N.nonzero().flatten()
        if pool.round <= self.balanced:
            index = index[self._stablest(label_N[index], spread_N[index], len(pool.classes))]
        target = torch.nn.functional.one_hot(label_N[index], len(pool.classes))
        return Selection(index, target.to(pool.probs_NC.dtype), torch.ones(len(index)))

    def _stablest(self, label_K: Tensor, spread_K: Tensor, C: int) -> Tensor:
        """bool[K]: the rows of least spread, as many of each class as of the smallest."""
        smallest = int(torch.bincount(label_K, minlength=C).min())
        return rank_within(label_K, -spread_K) < max(self.least, smallest)
