"""Weights in place of a threshold: the less sure a row is, the less it counts."""

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from conlst.arrays import Pool, Selection, Sizes
from conlst.selectors.alignment import aligned
from conlst.selectors.base import Selector, selectors
from conlst.selectors.moving_mean import MovingMean

START_VARIANCE = 1.0
"""Of a confidence: more than it can be, so that at first all rows count."""
LEAST_VARIANCE = 1e-8
"""Where all rows are equally sure, a rounding error must not decide."""


@selectors.register("softmatch")
class SoftMatch(Selector):
    r"""Keep every row, with a weight that falls off below the mean confidence as a Gaussian does.

        w_n   = exp( - min( max_c q~_nc - mu, 0 )^2 / ( 2 sigma^2 / n_sigma^2 ) )
        q~_nc = r_nc / sum_c' r_nc',    r_nc = q_nc (1/C + e) / (p(c) + e)            align: uniform
              = q_nc                                                                     align: none
        mu    = mean_n conf_n,    sigma^2 = var_n conf_n,    p(c) = mean_n q_nc              offline
        mu   <- m mu + (1 - m) mean_b conf_b,    sigma^2 and p(c) likewise                    online

    Symbols: q_nc, `pool.probs_NC` float[N, C]; conf_n = max_c q_nc, float[N]; w_n, float[N] in
    [0, 1]; mu and sigma^2, mean and unbiased variance of the confidence; p(c), float[C], the mean
    prediction; e = 1e-6; m, `momentum`; b, a row of the step's batch. The target of row n is the
    one-hot of argmax_c q_nc, of the probabilities as they are: alignment changes weights, never
    labels. A row whose weight is 0 in float32 is dropped. Online, mu and every p(c) start at 1/C,
    sigma^2 at 1.

    Paper: Chen et al. 2023, "SoftMatch: Addressing the Quantity-Quality Trade-off in
    Semi-supervised Learning", Sect. 3.1 (truncated Gaussian) and 3.2 (uniform alignment).

    Departs: offline, plain statistics of the whole pool stand in for the running ones. Online the
    order is the paper's: mu and sigma^2 take in the batch as it is, p(c) takes it in, the batch is
    aligned, weighed. USB aligns first and takes mu and sigma^2 from what is aligned (its issue 89).
    A batch of one row has no variance and leaves sigma^2 as it was (USB's becomes NaN); a pool of
    one row has sigma^2 = 1. Variances below 1e-8 count as that.

    Uniform alignment takes for granted that the classes are about equally frequent. The weights are
    relative to the pool: the more the confidence varies, the more the unsure rows count.

    Raises:
        pydantic.ValidationError: n_sigma not above 0, momentum outside [0, 1) or an unknown
            alignment.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])
        >>> SoftMatch(align="none")(pool, generator=torch.Generator()).weight
        tensor([1.0000, 1.0000, 0.5488, 0.0907])
        >>> SoftMatch()(pool, generator=torch.Generator()).weight
        tensor([1.0000, 0.9827, 1.0000, 0.8607])
    """

    n_sigma: float = Field(
        2.0, gt=0, description="the larger, the steeper weights fall: the width is sigma / n_sigma"
    )
    align: Literal["uniform", "none"] = Field(
        "uniform", description="whether weights see predictions scaled to a uniform mean"
    )
    momentum: float = Field(
        0.999, ge=0, lt=1, description="m, online: what remains of the statistics after a step"
    )

    def build(self, sizes: Sizes) -> "SoftMatchOnline":
        """The same, with running statistics for a memory."""
        return SoftMatchOnline(self, sizes)

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        mu, spread = pool.confidence.mean(dtype=torch.float64), squares(pool.confidence)
        variance = spread.mean() if len(spread) else torch.tensor(START_VARIANCE)
        return self.weigh(pool, mu, variance, pool.probs_NC.mean(0, dtype=torch.float64))

    def weigh(self, pool: Pool, mu: Tensor, variance: Tensor, mean_C: Tensor) -> Selection:
        """The rows with their weights w, where the statistics are these."""
        q_NC = pool.probs_NC.double()
        if self.align == "uniform":
            q_NC = aligned(q_NC, torch.full_like(mean_C, 1 / len(mean_C)), mean_C)
        below_N = (q_NC.amax(1) - mu).clamp(max=0)
        width = variance.double().clamp(min=LEAST_VARIANCE) / self.n_sigma**2
        weight_N = (-below_N.square() / (2 * width)).exp().float()
        selection = Selection.hard(pool, weight_N > 0)
        return replace(selection, weight=weight_N[selection.index])


def squares(confidence_N: Tensor) -> Tensor:
    """float64[N]: squares whose mean is the unbiased variance; none where a single row has none."""
    N, x_N = len(confidence_N), confidence_N.double()
    if N < 2:
        return x_N[:0]
    return (x_N - x_N.mean()).square() * (N / (N - 1))


class SoftMatchOnline(nn.Module):
    """SoftMatch batch by batch."""

    def __init__(self, softmatch: SoftMatch, sizes: Sizes) -> None:
        super().__init__()
        self.softmatch = softmatch
        start_C = torch.full((sizes.classes,), 1 / sizes.classes)
        self.mu = MovingMean(start_C[0].clone(), softmatch.momentum)
        self.variance = MovingMean(torch.tensor(START_VARIANCE), softmatch.momentum)
        self.probs_C = MovingMean(start_C, softmatch.momentum)

    def forward(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        """Take the batch in as it is, then align and weigh it."""
        mu, variance = self.mu(pool.confidence), self.variance(squares(pool.confidence))
        return self.softmatch.weigh(pool, mu, variance, self.probs_C(pool.probs_NC))
