"""Stop when the labels of the pool do not change any more."""

from collections.abc import Sequence

import torch
from pydantic import Field

from conlst.arrays import Pool
from conlst.criteria.base import Criterion, Verdict, criteria


@criteria.register("agreement")
class Agreement(Criterion):
    r"""Compare the pseudo-labels with those of the checkpoint before, beyond chance.

        value = kappa = (o - e) / (1 - e)
        o = (1/N) sum_n [ y_n = y'_n ],    e = sum_c f_c f'_c
        stop, and keep the last iteration, when kappa >= enough

    Symbols: y, pseudo-labels int64[N] of the pool, and y', the same rows' at the checkpoint before;
    f_c and f'_c, float[C], shares of class c among them; o, observed agreement; e, that of chance.
    1 where no label changed; about 0 where labels changed as if by chance; NaN at the first
    checkpoint and for an empty pool. It says that labels are stable, not that they are right.

    Paper: Cohen 1960, "A coefficient of agreement for nominal scales"; as a reason to stop:
    Bloodgood & Vijay-Shanker 2009, "A method for stopping active learning based on stabilizing
    predictions".

    Departs: they stop when the mean kappa of the last three rounds reaches .99; self-training has
    few rounds, so that the last one decides, at .98. Where both checkpoints predict one and the
    same class everywhere kappa is 0 / 0: here 1, for nothing changed (scikit-learn has NaN).

    Raises:
        pydantic.ValidationError: `enough` lies outside (0, 1].
        ValueError: `before` has other rows than the pool.

    Examples:
        >>> from conlst.testing import pool_of
        >>> a, b = [0.9, 0.1], [0.2, 0.8]
        >>> before, now = pool_of([a, a, a, b, b, b]), pool_of([a, a, b, b, b, b])
        >>> agreement = Agreement(enough=0.6)
        >>> value = agreement(now, before=before, source_accuracy=0.8)
        >>> round(value, 4), agreement.verdict([float("nan"), value])
        (0.6667, 'keep')
    """

    enough: float = Field(0.98, gt=0, le=1, description="kappa at which self-training stops")

    def __call__(self, pool: Pool, *, before: Pool | None, source_accuracy: float) -> float:
        if before is None:
            return float("nan")
        if len(before) != len(pool):
            raise ValueError(f"before must have the rows of the pool: {len(before)}, {len(pool)}")
        C, now_N, then_N = len(pool.classes), pool.pseudo_label, before.pseudo_label
        now_C, then_C = (torch.bincount(y, minlength=C).double() for y in (now_N, then_N))
        observed = (now_N == then_N).double().mean()
        chance = (now_C * then_C).sum() / len(pool) ** 2
        return 1.0 if chance == 1 else float((observed - chance) / (1 - chance))

    def verdict(self, values: Sequence[float]) -> Verdict:
        """Keep the last iteration, and stop, once it changed hardly a label."""
        return "keep" if len(values) > 1 and values[-1] >= self.enough else "go on"
