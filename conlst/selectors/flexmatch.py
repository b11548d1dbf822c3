"""Class-wise thresholds: a class that is learnt less asks for less confidence."""

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from conlst.arrays import Pool, Selection, Sizes
from conlst.selectors.base import Selector, selectors
from conlst.selectors.open_thresholds import AfterOnePass, a_floor, warn_of_open


@selectors.register("flexmatch")
class FlexMatch(Selector):
    r"""Keep the rows whose confidence reaches the threshold of their own predicted class.

        sigma(c) = #{ n : conf_n >= tau and yhat_n = c }                         offline
                 = #{ n : last_n = c }                                           online
        beta(c)  = sigma(c) / max( max_c' sigma(c'), N - sum_c' sigma(c') )      with warm_up
                 = sigma(c) / max_c' sigma(c')                                   without; 0/0 = 0
        T(c)     = max( M(beta(c)) * tau, floor )
        keep_n   = [ conf_n >= T(yhat_n) ]
        M(x)     = x / (2 - x) convex | x linear | ln(x + 1) / ln 2 concave | 1 / (2 - x) low_limit

    Symbols: conf_n = max_c q_nc, float[N]; yhat_n = argmax_c q_nc, int64[N]; sigma(c), the
    learning status of class c, int64[C]; last_n, yhat_n of the last step at which conf_n >= tau, of
    no class before; T(c), float[C]; C classes, N rows of the pool.

    Paper: Zhang et al. 2021, "FlexMatch", Eq. 5-8 and 11; CoNLST (Li et al. 2024) uses it in
    self-training (Eq. 14).

    Departs: offline, sigma is the closed form over one prediction pass of the whole pool, once an
    iteration. Online it is the paper's: a batch is judged by the T(c) of before it, then its sure
    rows replace their last labels. Only the differences are counted, so that a step costs the same
    whatever N is (TorchSSL and USB count all N anew); a batch holds a row at most once. FlexMatch's
    tau is .95. `low_limit` is a mapping of its code, not of the paper. `floor` is ours.

    Two questions users keep asking. *Why is sigma counted with the fixed tau, while T(c) decides
    who is kept?* On purpose: the status should reflect clean labels only; counted with T(c), a low
    threshold would raise itself. *Why do all thresholds start at 0?* T(c) = 0 wherever beta(c) = 0
    (tau / 2 under low_limit): nobody is sure of the class yet. The warm-up term only keeps
    thresholds low while most rows are unsure; it does not lift the ones at 0. Since conf_n >= 1/C
    always, T(c) <= 1/C is no threshold at all: with C = 3 and tau = .9 that holds for every class
    with beta(c) <= .54 (convex), and the rarest class takes everything. A warning says so (online
    after the first pass of the pool), and `floor` prevents it.

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
    mapping: Literal["convex", "linear", "concave", "low_limit"] = Field(
        "convex", description="M: how a class's learning status scales its threshold"
    )
    warm_up: bool = Field(
        True, description="hold all thresholds low while the unsure outnumber the largest class"
    )
    floor: float | None = Field(
        None, gt=0, le=1, description="no threshold falls below it; null leaves them as they are"
    )

    def build(self, sizes: Sizes) -> "FlexMatchOnline":
        """The same, with the last sure label of each row for a memory."""
        return FlexMatchOnline(self, sizes)

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        threshold_C = self.thresholds(pool)
        warn_of_open("flexmatch", pool, threshold_C, a_floor(pool))
        return Selection.hard(pool, pool.confidence >= threshold_C[pool.pseudo_label])

    def thresholds(self, pool: Pool) -> Tensor:
        """T(c), float[C]: the least confidence each class asks of this pool."""
        sure = pool.confidence >= self.threshold
        sigma_C = torch.bincount(pool.pseudo_label[sure], minlength=len(pool.classes)).tolist()
        threshold_C = self.thresholds_at(sigma_C, len(pool) - sum(sigma_C))
        return torch.tensor(threshold_C, dtype=pool.probs_NC.dtype)

    def thresholds_at(self, sigma_C: list[int], unsure: int) -> list[float]:
        """T(c) of each class, where sigma(c) rows are sure of class c and the rest of none.

        In plain numbers: for a few classes that is several times as fast as in tensors.
        """
        most = max(*sigma_C, unsure if self.warm_up else 0, 1)  # 0 / 0 = 0
        return [max(self._map(s / most) * self.threshold, self.floor or 0.0) for s in sigma_C]

    def _map(self, x: float) -> float:
        if self.mapping in ("convex", "low_limit"):
            return (x if self.mapping == "convex" else 1) / (2 - x)
        return x if self.mapping == "linear" else math.log2(x + 1)


class FlexMatchOnline(nn.Module):
    """FlexMatch batch by batch; it remembers 2 bytes a row."""

    last_N: Tensor
    """int16[N]: the last sure label of each row; C where there is none yet."""
    count: Tensor
    """int64[C + 1]: how often each stands in `last_N`."""

    def __init__(self, flexmatch: FlexMatch, sizes: Sizes) -> None:
        super().__init__()
        self.flexmatch = flexmatch
        self.warn = AfterOnePass(sizes.rows)
        nobody = torch.full((sizes.rows,), sizes.classes, dtype=torch.int16)
        self.register_buffer("last_N", nobody)
        self.register_buffer("count", torch.tensor([0] * sizes.classes + [sizes.rows]))

    def forward(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        """Select by the thresholds of before this batch, then remember its sure rows."""
        *sigma_C, unsure = self.count.tolist()
        threshold_C = torch.tensor(
            self.flexmatch.thresholds_at(sigma_C, unsure), dtype=pool.probs_NC.dtype
        )
        self.warn("flexmatch", pool, threshold_C, a_floor(pool))
        selection = Selection.hard(pool, pool.confidence >= threshold_C[pool.pseudo_label])
        self.remember(pool)
        return selection

    def remember(self, pool: Pool) -> None:
        """Take the sure rows of a batch over into `last_N` and `count`."""
        place_B = (torch.arange(len(pool)) if pool.place is None else pool.place).numpy()
        last_N, count, C = self.last_N.numpy(), self.count.numpy(), len(pool.classes)  # same memory
        sure_B = pool.confidence.numpy() >= self.flexmatch.threshold
        old_B = last_N[place_B]
        new_B = np.where(sure_B, pool.pseudo_label.numpy(), old_B)
        last_N[place_B] = new_B
        count += np.bincount(new_B, minlength=C + 1) - np.bincount(old_B, minlength=C + 1)
