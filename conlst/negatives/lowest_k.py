"""CCL's complementary labels: the least likely classes, as many as one likes."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import ComplementaryLabeller, labellers


@labellers.register("lowest_k")
class LowestK(ComplementaryLabeller):
    r"""Rule out the k least likely classes, for every row.

        ybar_i in { c : rank of q_ic among the classes other than argmax_c q_ic <= m }
        m = min( k, C - 1 )                      k a number of classes
          = max( 1, floor(k C) )                 k a share of the classes

    Symbols: q_ic, `pool.probs_NC` float[N, C], ranked from the least likely; C classes; the answer
    is the set of admissible ybar_i, bool[N, C].

    Paper: Deng et al. 2022, "Boosting Semi-Supervised Learning with Contrastive Complementary
    Labeling" (CCL), and the authors' code: `topk(k=int(k * C), largest=False)`, k = .7 for C = 10.

    Departs: CCL does so for unsure rows only; here it is for every row (a loss or a selector can
    look at who is confident). k may be a number of classes; k = 1 is Eq. 4 of CoNLST with nobody
    confident. The pseudo-label is left out before ranking, which matters only when k C reaches C or
    classes are equally likely; those fall in the order of the classes. floor(k C) is not led astray
    by rounding: .29 of 100 classes are 29, where `int(0.29 * 100)` is 28.

    Raises:
        pydantic.ValidationError: k is no number of classes, from 1, and no share between 0 and 1.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.60, 0.05, 0.25, 0.10], [0.25, 0.25, 0.25, 0.25]])
        >>> for k in 1, 2, 0.75:
        ...     print(LowestK(k=k)(pool, generator=torch.Generator()).int().tolist())
        [[0, 1, 0, 0], [0, 1, 0, 0]]
        [[0, 1, 0, 1], [0, 1, 1, 0]]
        [[0, 1, 1, 1], [0, 1, 1, 1]]
    """

    k: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = Field(
        1, description="how many classes, or which share of the classes"
    )

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Tensor:
        label_N1 = pool.pseudo_label[:, None]
        probs_NC = pool.probs_NC.scatter(1, label_N1, torch.inf)
        least_NM = probs_NC.argsort(dim=1, stable=True)[:, : self._classes(len(pool.classes))]
        return torch.zeros_like(probs_NC, dtype=torch.bool).scatter(1, least_NM, True)

    def _classes(self, C: int) -> int:
        wanted = self.k if isinstance(self.k, int) else max(1, int(self.k * C + 1e-9))
        return min(wanted, C - 1)
