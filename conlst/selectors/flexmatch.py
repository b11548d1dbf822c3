"""Class-wise thresholds: a class that is learnt less asks for less confidence."""

import warnings
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool, Selection
from conlst.errors import ConlstWarning
from conlst.selectors.base import Selector, selectors


@selectors.register("flexmatch")
class FlexMatch(Selector):
    r"""Keep the rows whose confidence reaches the threshold of their own predicted class.

        sigma(c) = #{ n : conf_n >= tau and yhat_n = c }
        beta(c)  = sigma(c) / max( max_c' sigma(c'), N - sum_c' sigma(c') )      with warm_up
                 = sigma(c) / max_c' sigma(c')                                   without; 0/0 = 0
        T(c)     = max( M(beta(c)) * tau, floor )
        keep_n   = [ conf_n >= T(yhat_n) ]
        M(x)     = x / (2 - x) convex | x linear | ln(x + 1) / ln 2 concave

    Symbols: conf_n = max_c q_nc, float[N]; yhat_n = argmax_c q_nc, int64[N]; sigma(c), the
    learning status of class c, int64[C]; T(c), float[C]; C classes, N rows of the pool.

    Paper: Zhang et al. 2021, "FlexMatch", Eq. 5-8 and 11; CoNLST (Li et al. 2024) uses it in
    self-training (Eq. 14).

    Departs: FlexMatch updates sigma step by step from the last confident label of each row. Here
    it is the closed form over one prediction pass of the whole pool, once an iteration. Its tau is
    .95. `floor` is ours.

    Two questions users keep asking. *Why is sigma counted with the fixed tau, while T(c) decides
    who is kept?* On purpose: the status should reflect clean labels only; counted with T(c), a low
    threshold would raise itself. *Why do all thresholds start at 0?* T(c) = 0 wherever beta(c) = 0:
    nobody is sure of the class yet. The warm-up term only keeps thresholds low while most rows are
    unsure; it does not lift the ones at 0. Since conf_n >= 1/C always, T(c) <= 1/C is no threshold
    at all: with C = 3 and tau = .9 that holds for every class with beta(c) <= .54 (convex), and
    the rarest class takes everything. A warning says so, and `floor` prevents it.

    Raises:
        pydantic.ValidationError: threshold or floor outside (0, 1], or an unknown mapping.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> sure, fair, other = [0.95, 0.05], [0.65, 0.35], [0.30, 0.70]
        >>> pool = pool_of([sure, sure, sure, fair, [0.08, 0.92], [0.07, 0.93], other])
        >>> flexmatch = FlexMatch(threshold=0.9, floor=0.6)
        >>> flexmatch.thresholds(pool)
        tensor([0.9000, 0.6000])
        >>> flexmatch(pool, generator=torch.Generator()).index.tolist()
        [0, 1, 2, 4, 5, 6]
    """

    threshold: float = Field(
        0.9, gt=0, le=1, description="threshold of a class that is fully learnt"
    )
    mapping: Literal["convex", "linear", "concave"] = Field(
        "convex", description="M: how a class's learning status scales its threshold"
    )
    warm_up: bool = Field(
        True, description="hold all thresholds low while the unsure outnumber the largest class"
    )
    floor: float | None = Field(
        None, gt=0, le=1, description="no threshold falls below it; null leaves them as they are"
    )

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        threshold_C = self.thresholds(pool)
        self._warn_of_no_threshold(pool, threshold_C)
        return Selection.hard(pool, pool.confidence >= threshold_C[pool.pseudo_label])

    def thresholds(self, pool: Pool) -> Tensor:
        """T(c), float[C]: the least confidence each class asks of this pool."""
        C = len(pool.classes)
        sure = pool.confidence >= self.threshold
        sigma_C = torch.bincount(pool.pseudo_label[sure], minlength=C)
        most = sigma_C.max()
        if self.warm_up:
            most = torch.maximum(most, len(pool) - sigma_C.sum())
        beta_C = sigma_C.double() / most.clamp(min=1)  # 0 / 0 = 0
        threshold_C = self._map(beta_C) * self.threshold
        return threshold_C.clamp(min=self.floor or 0.0).to(pool.probs_NC.dtype)

    def _map(self, x: Tensor) -> Tensor:
        if self.mapping == "convex":
            return x / (2 - x)
        return x if self.mapping == "linear" else torch.log2(x + 1)

    def _warn_of_no_threshold(self, pool: Pool, threshold_C: Tensor) -> None:
        C = len(pool.classes)
        open_C = (threshold_C <= 1 / C).tolist()
        if not any(open_C):
            return
        names = ", ".join(
            name for name, is_open in zip(pool.classes, open_C, strict=True) if is_open
        )
        where = ", ".join(pool.languages[i] for i in torch.unique(pool.language).tolist())
        warnings.warn(
            f"flexmatch ({where}): the thresholds of {names} are at most 1/C = {1 / C:.3f}, so "
            f"every row predicted so is kept; a floor prevents it, such as "
            f"floor: {(1 + 1 / C) / 2:.2f}",
            ConlstWarning,
            stacklevel=3,
        )
