"""Soft neighbourhood density: predictions lie in dense clusters, not strewn between them."""

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize
from torch.special import entr

from conlst.arrays import Pool
from conlst.criteria.base import Criterion, criteria

CHUNK = 512
"""Rows whose similarities to all others are held at once."""


@criteria.register("snd")
class SND(Criterion):
    r"""Prefer the model whose rows have many rows close to them, in what it predicts.

        value = (1/M) sum_i H(P_i),    H(P) = - sum_j P_j log P_j,    0 log 0 = 0
        P_ij  = e^{s_ij / tau} / sum_{k != i} e^{s_ik / tau}  for j != i,    P_ii = 0
        s_ij  = p_i . p_j / ( ||p_i|| ||p_j|| )

    Symbols: p_i, rows of `pool.probs_NC` float[N, C], probabilities; M = min(N, rows) rows, evenly
    spaced through the pool; s, float[M, M]; P_i, a distribution over the other rows; tau,
    temperature; value, in nats, in [0, log(M - 1)]: the larger, the denser. NaN for a pool of
    fewer than two rows. Values can be compared at equal M only.

    Paper: Saito et al. 2021, "Tune it the Right Way: Unsupervised Validation of Domain Adaptation
    via Soft Neighborhood Density".

    Departs: the paper compares all rows; that costs N^2, so at most `rows` are compared here, the
    same at every checkpoint. The released code leaves the row itself in at similarity -1, and adds
    1e-5 inside the logarithm; here it is left out. A model that predicts the same for every row,
    surely or not, has the best value there is: watch `mutual_information` beside it.

    Raises:
        pydantic.ValidationError: a temperature that is not positive, or fewer than two rows.

    Examples:
        >>> from conlst.testing import pool_of
        >>> dense = pool_of([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4)
        >>> strewn = pool_of([[n / 7, 1 - n / 7] for n in range(8)])
        >>> [round(SND()(p, before=None, source_accuracy=0.8), 4) for p in (dense, strewn)]
        [1.0986, 0.9723]
    """

    temperature: float = Field(0.05, gt=0, description="tau: the smaller, the nearer rows count")
    rows: int = Field(4000, ge=2, description="the most rows that are compared with one another")

    def __call__(self, pool: Pool, *, before: Pool | None, source_accuracy: float) -> float:
        M = min(len(pool), self.rows)
        if M < 2:
            return float("nan")
        spaced_M = torch.arange(M) * len(pool) // M
        unit_MC = normalize(pool.probs_NC[spaced_M].double(), dim=1)
        density_M = torch.cat([self._densities(unit_MC, start) for start in range(0, M, CHUNK)])
        return float(density_M.mean())

    def _densities(self, unit_MC: Tensor, start: int) -> Tensor:
        """H(P_i) of the rows from `start` on, float64[at most CHUNK]."""
        score_BM = unit_MC[start : start + CHUNK] @ unit_MC.T / self.temperature
        itself_B = torch.arange(len(score_BM))
        score_BM[itself_B, start + itself_B] = -torch.inf
        density_B: Tensor = entr(score_BM.softmax(1)).sum(1)
        return density_B
