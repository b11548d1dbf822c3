"""Thresholds read off the predictions themselves, none of them set by hand."""

import torch
from pydantic import Field
from torch import Tensor, nn

from conlst.arrays import Pool, Selection, Sizes
from conlst.selectors.base import Selector, selectors
from conlst.selectors.moving_mean import MovingMean
from conlst.selectors.open_thresholds import AfterOnePass, a_floor, warn_of_open


@selectors.register("freematch")
class FreeMatch(Selector):
    r"""Keep the rows whose confidence reaches the mean confidence, scaled by how common a class is.

        T(c)   = max( t * p(c) / max_c' p(c'), floor )
        keep_n = [ conf_n >= T(yhat_n) ]
        t      = mean_n conf_n,    p(c) = mean_n q_nc                                        offline
        t     <- m t + (1 - m) mean_b conf_b,    p(c) <- m p(c) + (1 - m) mean_b q_bc         online

    Symbols: q_nc, `pool.probs_NC` float[N, C]; conf_n = max_c q_nc, float[N]; yhat_n = argmax_c
    q_nc, int64[N]; t, the global threshold; p(c), float[C], the mean prediction; T(c), float[C]; m,
    `momentum`; b, a row of the step's batch. Online, t and every p(c) start at 1/C, and a batch is
    taken in before it is judged.

    Paper: Wang et al. 2023, "FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning",
    Eq. 5-7.

    Departs: offline, plain means over the whole pool stand in for the running ones: what these
    would settle at if the model stood still. `floor` is ours. The quantile of USB in place of the
    mean and its clipping of t at .95 are left out. The paper's other half, the fairness penalty, is
    a loss and no part of a selector.

    t is a mean: some rows lie below it however good the model is. A class that is predicted seldom
    has a low threshold whether it is rare or badly learnt. Where p(c) / max p is small, T(c) <= 1/C
    is no threshold at all: a warning says so (online after the first pass of the pool), and `floor`
    prevents it. With m = .999 it takes about a thousand steps until 1/C is forgotten: a small pool
    wants a smaller momentum.

    Raises:
        pydantic.ValidationError: momentum outside [0, 1) or floor outside (0, 1].

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.4, 0.6]])
        >>> freematch = FreeMatch()
        >>> freematch.thresholds(pool)
        tensor([0.7200, 0.4800])
        >>> FreeMatch(floor=0.65)(pool, generator=torch.Generator()).index.tolist()
        [0, 1, 3]
    """

    momentum: float = Field(
        0.999, ge=0, lt=1, description="m, online: what remains of the running means after a step"
    )
    floor: float | None = Field(
        None, gt=0, le=1, description="no threshold falls below it; null leaves them as they are"
    )

    def build(self, sizes: Sizes) -> "FreeMatchOnline":
        """The same, with running means for a memory."""
        return FreeMatchOnline(self, sizes)

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        threshold_C = self.thresholds(pool)
        warn_of_open("freematch", pool, threshold_C, a_floor(pool))
        return Selection.hard(pool, pool.confidence >= threshold_C[pool.pseudo_label])

    def thresholds(self, pool: Pool) -> Tensor:
        """T(c), float[C]: the least confidence each class asks of this pool."""
        mean = pool.confidence.mean(dtype=torch.float64)
        threshold_C = self.thresholds_at(mean, pool.probs_NC.mean(0, dtype=torch.float64))
        return threshold_C.to(pool.probs_NC.dtype)

    def thresholds_at(self, mean: Tensor, mean_C: Tensor) -> Tensor:
        """T(c), float[C], where t is `mean` and p(c) is `mean_C`."""
        return (mean * mean_C / mean_C.max()).clamp(min=self.floor or 0.0)


class FreeMatchOnline(nn.Module):
    """FreeMatch batch by batch."""

    def __init__(self, freematch: FreeMatch, sizes: Sizes) -> None:
        super().__init__()
        self.freematch = freematch
        self.warn = AfterOnePass(sizes.rows)
        start_C = torch.full((sizes.classes,), 1 / sizes.classes)
        self.confidence = MovingMean(start_C[0].clone(), freematch.momentum)
        self.probs_C = MovingMean(start_C, freematch.momentum)

    def forward(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        """Take the batch in, then select from it."""
        mean, mean_C = self.confidence(pool.confidence), self.probs_C(pool.probs_NC)
        threshold_C = self.freematch.thresholds_at(mean, mean_C).to(pool.probs_NC.dtype)
        self.warn("freematch", pool, threshold_C, a_floor(pool))
        return Selection.hard(pool, pool.confidence >= threshold_C[pool.pseudo_label])
