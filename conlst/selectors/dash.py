"""Keep what costs little: the loss a row may have falls as training goes on."""

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from conlst.arrays import Pool, Selection, Sizes
from conlst.selectors.base import Selector, selectors
from conlst.selectors.open_thresholds import AfterOnePass, warn_of_open

LEAST_PROBABILITY = 1e-30
"""What a source row's own label is given at least: one row must not make the mean infinite."""
REMEDY = "the model is hardly better than chance on the source: train it longer"


@selectors.register("dash")
class Dash(Selector):
    r"""Keep the rows whose loss is at most that of the source, or an ever smaller share of it.

        keep_n = [ -ln max_c q_nc <= rho ] = [ conf_n >= e^-rho ]
        rho    = max( scale * gamma^-k * rho_0, rho_min )
        rho_0  = mean_j -ln s_j,y_j
        k      = round - 1                                                                   offline
               = floor( step / steps )                                                        online

    Symbols: q_nc, `pool.probs_NC` float[N, C]; conf_n = max_c q_nc, float[N], so that -ln conf_n is
    the cross-entropy with the row's own hard pseudo-label, in nats; s_j,y_j, the probability in
    `pool.source.probs_SC` float[S, C] of the gold label of source row j; round, `pool.round`, from
    1 (0 counts as 1); step, batches seen before this one. A kept row has weight 1 and the one-hot
    target of argmax_c q_nc.

    Paper: Xu et al. 2021, "Dash: Semi-Supervised Learning with Dynamic Thresholding", Algorithm 1;
    scale is its constant C, 1.0001.

    Departs: the paper's rho_0 is taken once, after a warm-up on labelled data: the source stage is
    that. Offline, rho_0 is of the model as it is in each round, over all of `pool.source`, and rho
    falls once a round; online it is the mean over the source batches of the first `steps` steps,
    and holds from then on. USB lowers rho every 10 of its epochs of 1,024 steps: `steps` is meant
    for shorter training. USB takes soft targets of temperature .5 until rho has come down to
    rho_min; here targets are hard throughout. Probabilities below 1e-30 count as that.

    A model that knows its source rows by heart has rho_0 near 0, and rho is rho_min from the start:
    conf_n >= .951. One that is no better than chance has rho >= ln C, and every row is kept: a
    warning says so (online after the first pass of the pool).

    Raises:
        pydantic.ValidationError: gamma below 1, steps below 1, scale or rho_min not above 0.
        ValueError: the pool has no source rows.

    Examples:
        >>> import torch
        >>> from conlst.arrays import SourceView
        >>> from conlst.testing import pool_of
        >>> seen = torch.tensor([[0.8, 0.2], [0.3, 0.7]])
        >>> source = SourceView(seen, torch.zeros(2, 1), torch.tensor([0, 1]))
        >>> probs = [[0.9, 0.1], [0.76, 0.24], [0.3, 0.7]]
        >>> [round(Dash().rho(rho_0=0.29, k=k), 3) for k in (0, 1, 20)]
        [0.29, 0.228, 0.05]
        >>> for k in (0, 1, 20):
        ...     pool = pool_of(probs, source=source, round=k + 1)
        ...     print(Dash()(pool, generator=torch.Generator()).index.tolist())
        [0, 1]
        [0]
        []
    """

    needs: ClassVar[frozenset[str]] = frozenset({"source"})
    gamma: float = Field(1.27, ge=1, description="what rho is divided by each time it falls")
    scale: float = Field(1.0001, gt=0, description="rho at first, in units of the source loss")
    rho_min: float = Field(0.05, gt=0, description="rho falls no further, nats")
    steps: int = Field(100, ge=1, description="online: batches from one fall of rho to the next")

    def build(self, sizes: Sizes) -> "DashOnline":
        """The same, with a count of steps and the source loss for a memory."""
        return DashOnline(self, sizes)

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        rho_0 = float(self.source_loss(pool))
        threshold = self.threshold(pool, self.rho(rho_0, max(pool.round - 1, 0)))
        warn_of_open("dash", pool, threshold, REMEDY)
        return Selection.hard(pool, pool.confidence >= threshold)

    def source_loss(self, pool: Pool) -> Tensor:
        """mean_j -ln s_j,y_j, a scalar: of the source rows that stand beside a pool or a batch."""
        if pool.source is None:
            raise ValueError("dash needs pool.source, labelled rows as the model sees them")
        own_S = pool.source.probs_SC.gather(1, pool.source.label[:, None]).double()
        return -own_S.clamp(min=LEAST_PROBABILITY).log().mean()

    def rho(self, rho_0: float, k: int) -> float:
        """The loss that a row may have after k falls."""
        return max(self.scale * self.gamma**-k * rho_0, self.rho_min)

    def threshold(self, pool: Pool, rho: float) -> Tensor:
        """e^-rho, a scalar of the pool's own type: a lower confidence costs more than rho."""
        return pool.confidence.new_tensor(math.exp(-rho))


class DashOnline(nn.Module):
    """Dash batch by batch."""

    step: Tensor
    """int64: batches seen."""
    rho_0: Tensor
    """float32: mean loss on the source batches of the first `steps` of them."""

    def __init__(self, dash: Dash, sizes: Sizes) -> None:
        super().__init__()
        self.dash = dash
        self.warn = AfterOnePass(sizes.rows)
        self.register_buffer("step", torch.tensor(0))
        self.register_buffer("rho_0", torch.tensor(0.0))

    def forward(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        """Select by the loss of the source batches so far, this step's among them."""
        loss, step = self.dash.source_loss(pool), int(self.step)
        if step < self.dash.steps:
            self.rho_0 += (loss - self.rho_0) / (step + 1)
        self.step += 1
        rho = self.dash.rho(float(self.rho_0), step // self.dash.steps)
        threshold = self.dash.threshold(pool, rho)
        self.warn("dash", pool, threshold, REMEDY)
        return Selection.hard(pool, pool.confidence >= threshold)
