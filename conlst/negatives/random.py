"""NLNL's complementary labels: any other class, whoever the row is."""

import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import ComplementaryLabeller, labellers


@labellers.register("random")
class Random(ComplementaryLabeller):
    r"""Rule out every class but the pseudo-label, for every row.

        ybar_i in { k : k != argmax_c q_ic }

    Symbols: q_ic, `pool.probs_NC` float[N, C]; the answer is the set of admissible ybar_i,
    bool[N, C].

    Paper: Kim et al. 2019, "NLNL", Algorithm 1: ybar = (y + U{1, ..., C-1}) mod C.

    Departs: nothing is drawn here. The set is returned and the stage draws one class per row and
    step, uniformly, which is NLNL's fresh draw in every step. NLNL's y is a given noisy label, ours
    is the model's own. A uniform draw hits the true class with probability (1 - accuracy) /
    (C - 1): 17.5% at accuracy .65 and C = 3.

    Raises:
        ValueError: never of itself; `Pool` refuses probabilities that do not sum to 1.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.95, 0.03, 0.02], [0.20, 0.30, 0.50]])
        >>> Random()(pool, generator=torch.Generator()).int().tolist()
        [[0, 1, 1], [1, 1, 0]]
    """

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Tensor:
        everything_NC = torch.ones_like(pool.probs_NC, dtype=torch.bool)
        return everything_NC.scatter(1, pool.pseudo_label[:, None], False)
