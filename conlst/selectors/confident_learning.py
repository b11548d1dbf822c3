"""Keep rows that are as sure of their class as the rows of that class are on average."""

from typing import ClassVar

import torch
from torch import Tensor

from conlst.arrays import Pool, Selection
from conlst.selectors.base import Selector, selectors

ROUNDING = 1e-6
"""A row at its class's mean is kept though the mean was rounded; cleanlab allows as much."""


@selectors.register("confident_learning")
class ConfidentLearning(Selector):
    r"""Keep the rows whose confidence reaches the mean confidence of their own predicted class.

        t_k    = mean of q_nk over { n : yhat_n = k }
        keep_n = [ q_n,yhat_n >= t_yhat_n ]

    Symbols: q_nk, `pool.probs_NC` float[N, C]; yhat_n = argmax_k q_nk, int64[N]; t_k, float[C], the
    self-confidence of class k. A kept row has weight 1 and the one-hot target of yhat_n. The
    threshold of each class follows the model by itself, so there is nothing to set; about half of
    each class is kept. A class never predicted has no threshold and needs none.

    Paper: Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
    Eq. 2; `get_confident_thresholds` in its code, cleanlab.

    Departs: there the labels are given and may be wrong, and rows off the diagonal of the confident
    joint are the errors. Here the label is the model's own argmax: the rows kept are exactly that
    diagonal, and the others are either off it or sure of no class. The model has been trained on no
    label of these rows, so its probabilities are out of sample, as the method asks; from the second
    iteration on that no longer holds for rows selected before.

    Raises:
        nothing of its own; it has no parameters.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.95, 0.05], [0.75, 0.25], [0.45, 0.55], [0.35, 0.65]])
        >>> ConfidentLearning().thresholds(pool)
        tensor([0.8500, 0.6000], dtype=torch.float64)
        >>> ConfidentLearning()(pool, generator=torch.Generator()).index.tolist()
        [0, 3]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pool"})

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        threshold_N = self.thresholds(pool)[pool.pseudo_label]
        return Selection.hard(pool, pool.confidence >= threshold_N - ROUNDING)

    def thresholds(self, pool: Pool) -> Tensor:
        """t_k, float[C]: the mean confidence of each class; 0 for a class never predicted."""
        C = len(pool.classes)
        count_C = torch.bincount(pool.pseudo_label, minlength=C)
        sum_C = torch.zeros(C, dtype=torch.float64)
        sum_C.index_add_(0, pool.pseudo_label, pool.confidence.double())
        return sum_C / count_C.clamp(min=1)
