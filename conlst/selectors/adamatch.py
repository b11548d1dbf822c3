"""A threshold relative to the source: be as sure of the target as the model is of the source."""

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from conlst.arrays import Pool, Selection, Sizes, SourceView
from conlst.selectors.alignment import aligned
from conlst.selectors.base import Selector, selectors
from conlst.selectors.moving_mean import MovingMean
from conlst.selectors.open_thresholds import AfterOnePass, warn_of_open

REMEDY = "the model is unsure of the source too: train it longer"


@selectors.register("adamatch")
class AdaMatch(Selector):
    r"""Keep the rows whose aligned confidence reaches a share of the mean source confidence.

        q~_nc  = r_nc / sum_c' r_nc',    r_nc = q_nc (s(c) + e) / (p(c) + e)           align: source
               = q_nc                                                                    align: none
        T      = tau * mean_j max_c s_jc
        keep_n = [ max_c q~_nc >= T ]
        s(c)   = mean_j s_jc,    p(c) = mean_n q_nc                                          offline
        s(c)  <- m s(c) + (1 - m) mean_j s_jc,    p(c) <- m p(c) + (1 - m) mean_b q_bc        online

    Symbols: q_nc, `pool.probs_NC` float[N, C]; s_jc, `pool.source.probs_SC` float[S, C], online of
    the step's source batch; s(c), p(c), float[C], the mean predictions on source and target; e =
    1e-6; tau, `threshold`; m, `momentum`; b, a row of the step's batch. A kept row has weight 1 and
    the one-hot target of argmax_c q~_nc: alignment may change the label. Online, every s(c) and
    p(c) starts at 1/C (no alignment), and a batch is taken in before it is judged; T is of the
    step's own source batch.

    Paper: Berthelot et al. 2022, "AdaMatch: A Unified Approach to Semi-Supervised Learning and
    Domain Adaptation": distribution alignment and relative confidence threshold.

    Departs: offline, plain means over the pool and over all of `pool.source` stand in for the
    running ones. Hard targets are those of the authors' code and of USB's default. The default tau
    and the moving mean of p(c) are USB's; for domain adaptation the authors' code has tau .9 and
    the mean of the last 128 steps. USB starts p(c) at the first batch, the authors at 1/C as here.
    Random logit interpolation is a loss's business and left out.

    Alignment takes for granted that target classes are as frequent as those of the source; `align:
    none` does not. A model that knows its source rows by heart is sure of all: T is then tau.

    Raises:
        pydantic.ValidationError: threshold outside (0, 1], momentum outside [0, 1) or an unknown
            alignment.
        ValueError: the pool has no source rows.

    Examples:
        >>> import torch
        >>> from conlst.arrays import SourceView
        >>> from conlst.testing import pool_of
        >>> seen = torch.tensor([[0.8, 0.2], [0.2, 0.8]])
        >>> source = SourceView(seen, torch.zeros(2, 1), torch.tensor([0, 1]))
        >>> pool = pool_of([[0.95, 0.05], [0.9, 0.1], [0.55, 0.45]], source=source)
        >>> chosen = AdaMatch()(pool, generator=torch.Generator())
        >>> chosen.index.tolist(), chosen.target_KC.tolist()
        ([0, 2], [[1.0, 0.0], [0.0, 1.0]])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"source"})
    threshold: float = Field(
        0.95, gt=0, le=1, description="tau: share of the mean source confidence that is asked"
    )
    align: Literal["source", "none"] = Field(
        "source", description="whether target predictions are scaled to the source's mean first"
    )
    momentum: float = Field(
        0.999, ge=0, lt=1, description="m, online: what remains of the running means after a step"
    )

    def build(self, sizes: Sizes) -> "AdaMatchOnline":
        """The same, with running means for a memory."""
        return AdaMatchOnline(self, sizes)

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        wanted_C = self.source(pool).probs_SC.mean(0, dtype=torch.float64)
        pool = self.aligned(pool, wanted_C, pool.probs_NC.mean(0, dtype=torch.float64))
        threshold = self.threshold_of(pool)
        warn_of_open("adamatch", pool, threshold, REMEDY)
        return Selection.hard(pool, pool.confidence >= threshold)

    def source(self, pool: Pool) -> SourceView:
        """The source rows that stand beside a pool or a batch."""
        if pool.source is None:
            raise ValueError("adamatch needs pool.source, labelled rows as the model sees them")
        return pool.source

    def threshold_of(self, pool: Pool) -> Tensor:
        """T, a scalar of the pool's own type: what the source asks of its rows."""
        confidence_S = self.source(pool).probs_SC.amax(1)
        return (self.threshold * confidence_S.mean(dtype=torch.float64)).to(pool.probs_NC.dtype)

    def aligned(self, pool: Pool, wanted_C: Tensor, seen_C: Tensor) -> Pool:
        """The pool with q~ for its probabilities."""
        if self.align == "none":
            return pool
        return replace(pool, probs_NC=aligned(pool.probs_NC, wanted_C, seen_C))


class AdaMatchOnline(nn.Module):
    """AdaMatch batch by batch."""

    def __init__(self, adamatch: AdaMatch, sizes: Sizes) -> None:
        super().__init__()
        self.adamatch = adamatch
        self.warn = AfterOnePass(sizes.rows)
        start_C = torch.full((sizes.classes,), 1 / sizes.classes)
        self.source_C = MovingMean(start_C, adamatch.momentum)
        self.target_C = MovingMean(start_C.clone(), adamatch.momentum)

    def forward(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        """Take both batches in, then select from the target's."""
        wanted_C = self.source_C(self.adamatch.source(pool).probs_SC)
        pool = self.adamatch.aligned(pool, wanted_C, self.target_C(pool.probs_NC))
        threshold = self.adamatch.threshold_of(pool)
        self.warn("adamatch", pool, threshold, REMEDY)
        return Selection.hard(pool, pool.confidence >= threshold)
