"""The surer of the pool, the better."""

import math

from torch.special import entr

from conlst.arrays import Pool
from conlst.criteria.base import Criterion, criteria


@criteria.register("entropy")
class Entropy(Criterion):
    r"""Prefer the model whose predictions are the least spread over the classes.

        value = - (1/N) sum_n H(p_n) / log C,    H(p) = - sum_c p_c log p_c,    0 log 0 = 0

    Symbols: p_n, `pool.probs_NC` float[N, C], probabilities of row n; N rows of the pool; C
    classes; value in [-1, 0]: 0 when every row is certain, -1 when every row is uniform; NaN for
    an empty pool.

    A model that predicts one class everywhere, and is sure of it, has the best value there is, and
    self-training makes every model surer: `mutual_information` asks for variety as well.

    Paper: Morerio et al. 2018, "Minimal-Entropy Correlation Alignment", choose a model by it;
    Musgrave et al. 2022, "Three New Validators", compare it with others.

    Departs: divided by log C, so that tasks with few and with many classes can be compared, and
    negated, because larger is better here.

    Raises:
        nothing.

    Examples:
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[1.0, 0.0], [0.5, 0.5]])
        >>> Entropy()(pool, before=None, source_accuracy=0.8)
        -0.5
    """

    def __call__(self, pool: Pool, *, before: Pool | None, source_accuracy: float) -> float:
        spread_N = entr(pool.probs_NC.double()).sum(1) / math.log(len(pool.classes))
        return -float(spread_N.mean())
