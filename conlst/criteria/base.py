"""What a criterion is: a figure without target labels, by which checkpoints are compared."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

from conlst.arrays import Pool
from conlst.registry import Registry, Strategy

Verdict = Literal["go on", "keep", "roll back"]


class Criterion(Strategy):
    """Contract: `(pool, *, before, source_accuracy) -> float`; the larger, the better.

    Args of a call: `pool`, the unlabelled rows as the model of a checkpoint sees them; `before`,
    the same rows as the checkpoint before saw them (None at the first); `source_accuracy`, of the
    watched source rows. NaN where a figure has nothing to stand on; never an infinity. `needs` may
    hold "source" (`pool.source`), "history" (`pool.history`) and "neighbours" (faiss is installed).

    `verdict` decides, after every iteration of self-training, whether there is to be another one.
    """

    @abstractmethod
    def __call__(self, pool: Pool, *, before: Pool | None, source_accuracy: float) -> float: ...

    def verdict(self, values: Sequence[float]) -> Verdict:
        """Judge the values so far: of the model that self-training began with, then by iteration.

        "keep" stops and keeps the last iteration, "roll back" stops and goes back to the one
        before. By default an iteration that is worse than the one before is rolled back. NaN is
        neither better nor worse than anything, and stops nothing.
        """
        return "roll back" if len(values) > 1 and values[-1] < values[-2] else "go on"


criteria: Registry[Criterion] = Registry("criteria", Criterion)
