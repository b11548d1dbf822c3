"""Stop when what was transferred is so noisy that more of it does harm."""

import math
from typing import ClassVar

from pydantic import Field

from conlst.arrays import Pool
from conlst.criteria.base import Criterion, criteria
from conlst.cut_edges import Weight, cut_edges


@criteria.register("error_boundary")
class ErrorBoundary(Criterion):
    r"""Bound the error that the training rows allow, from their number and their noise.

        value = - eps,    eps = sqrt( 2 ln(2 N / delta) / ( m (1 - 2 eta)^2 ) )
        eta = min( (1/K) sum_i (1 - r_i), 1/2 - 1/(2 m) ),    m = K + S

    Symbols: K, rows that the last iteration selected, `pool.history[-1]`, with the labels that it
    gave them; S, labelled source rows; m, both; r_i, float[K], how surely the label of a selected
    row is clean, by the cut edge statistic (`conlst.cut_edges`) over these m rows, by the
    features float[m, D] that the model trained on them gives; eta, their rate of noise; delta,
    chance that the bound does not hold; N, rows of the pool.

    eps falls when more rows are transferred and rises when they are noisier. Where it rises, the
    last iteration was a negative transfer, and is rolled back. NaN while nothing was selected.

    Paper: Gui et al. 2014, "Cross-lingual opinion analysis via negative transfer detection"; the
    bound is that of Angluin & Laird 1988, "Learning from noisy examples".

    Departs: at eta = 1/2 labels are as noisy as chance and eps would be infinite; here eta stays
    half a row below, so that such a value can be kept and compared. N is the number of hypotheses
    there; networks have no such number, and any constant in its place scales all values alike, so
    that no verdict depends on it. Gui et al. drop the noisiest rows and go on; here the selector
    `cut_edge` drops them, and this decides when to stop.

    Raises:
        pydantic.ValidationError: delta outside (0, 1), k below 1, or an unknown weight.
        ValueError: the pool has no source rows.

    Examples:
        >>> import torch
        >>> from conlst.arrays import Selection, SourceView
        >>> from conlst.testing import pool_of
        >>> label = torch.arange(20) % 2
        >>> one_hot = torch.eye(2)[label]
        >>> features = one_hot + 0.1 * torch.arange(20)[:, None]
        >>> source = SourceView(one_hot, features, label)
        >>> def after(wrong: int) -> Pool:
        ...     given = torch.cat([one_hot[:wrong].flip(1), one_hot[wrong:]])
        ...     selected = Selection(torch.arange(20), given, torch.ones(20))
        ...     return pool_of(one_hot, features_ND=features, source=source, history=(selected,))
        >>> boundary = ErrorBoundary(k=6)
        >>> [round(boundary(after(n), before=None, source_accuracy=0.8), 3) for n in (0, 4, 20)]
        [-0.587, -0.963, -23.125]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"source", "history", "neighbours"})
    delta: float = Field(0.05, gt=0, lt=1, description="chance that the bound does not hold")
    k: int = Field(10, ge=1, description="neighbours of each row")
    weight: Weight = Field(
        "inverse_distance", description="what an edge counts: 1 / (1 + distance), or the cosine"
    )

    def __call__(self, pool: Pool, *, before: Pool | None, source_accuracy: float) -> float:
        source, selected = pool.source, pool.previous
        if source is None:
            raise ValueError("error_boundary needs pool.source, labelled source rows")
        if selected is None or len(selected.index) == 0:
            return float("nan")
        found = cut_edges(
            pool.features_ND[selected.index],
            selected.target_KC.argmax(1),
            self.k,
            weight=self.weight,
            beside=(source.features_SD, source.label),
        )
        m = len(selected.index) + len(source.label)
        eta = float((1 - found.clean_N).mean())
        sharpness = max(1 - 2 * eta, 1 / m)
        return -math.sqrt(2 * math.log(2 * len(pool) / self.delta) / m) / sharpness
