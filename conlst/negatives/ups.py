"""UPS's negative labels: classes that are unlikely in every stochastic pass."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import ComplementaryLabeller, labellers


@labellers.register("ups")
class UPS(ComplementaryLabeller):
    r"""Rule out the classes whose mean over passes is small and whose deviation is small too.

        p_pnc  = q_pnc^(1/T) / sum_c' q_pnc'^(1/T)
        ybar_n in { c : mean_p p_pnc < threshold and std_p p_pnc < spread and c != argmax_c q_nc }

    Symbols: q_pnc, `pool.probs_PNC` float[P, N, C], the probability of class c for row n in pass p;
    p_pnc, the same at temperature T; q_nc, `pool.probs_NC`; std with the divisor P - 1; the answer
    is the set of admissible ybar_n, bool[N, C]; a row without any is no anchor.

    Paper: Rizve et al. 2021, "In Defense of Pseudo-Labeling: An Uncertainty-Aware Pseudo-label
    Selection Framework", section 3, and the authors' code (tau_n .05, kappa_n .005, T 2, 10
    passes).

    Departs: the code softens logits, softmax(z / T), which from probabilities is q^(1/T),
    normalised. The paper writes u <= kappa, its code <, as here. There the class left out is the
    argmax of the mean over passes, and rows with a positive label get no negative ones; here it is
    the row's own pseudo-label, and every row may have some. At T = 2 the threshold asks much: with
    C = 3, p < .05 means that q is below .006. For few classes a larger threshold, or T = 1, finds
    more.

    Raises:
        pydantic.ValidationError: a parameter is out of bounds.
        ValueError: the pool has no stochastic passes.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> steady, wavering = (
        ...     [[0.997, 0.001, 0.002]] * 2,
        ...     [[0.998, 0.001, 0.001], [0.9, 0.05, 0.05]],
        ... )
        >>> passes = torch.tensor([steady, wavering]).transpose(0, 1)
        >>> pool = pool_of(passes.mean(0), probs_PNC=passes)
        >>> UPS()(pool, generator=torch.Generator()).int().tolist()
        [[0, 1, 1], [0, 0, 0]]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"passes"})
    threshold: float = Field(0.05, gt=0, le=1, description="tau_n: mean probability to stay below")
    spread: float = Field(
        0.005, gt=0, le=1, description="kappa_n: standard deviation to stay below"
    )
    temperature: float = Field(2.0, gt=0, description="T: above 1 it evens out the probabilities")
    passes: int = Field(10, ge=2, description="stochastic passes")

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Tensor:
        pool = pool.passed(self.passes)
        if pool.probs_PNC is None or len(pool.probs_PNC) < 2:
            raise ValueError("ups needs two or more stochastic passes in pool.probs_PNC")
        soft_PNC = (pool.probs_PNC.double().log() / self.temperature).softmax(2)
        unlikely_NC = (soft_PNC.mean(0) < self.threshold) & (soft_PNC.std(0) < self.spread)
        return unlikely_NC.scatter(1, pool.pseudo_label[:, None], False)
