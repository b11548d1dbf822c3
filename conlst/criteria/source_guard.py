"""Stop when the source is being forgotten."""

from collections.abc import Sequence

from pydantic import Field

from conlst.arrays import Pool
from conlst.criteria.base import Criterion, Verdict, criteria


@criteria.register("source_guard")
class SourceGuard(Criterion):
    r"""Watch the accuracy on labelled source rows.

        value_t = accuracy on the watched source rows after iteration t
        roll back when value_t < value_0 - most_lost

    Symbols: value, float[T], one a checkpoint, each in [0, 1]; value_0, of the model that
    self-training began with; NaN where no source rows are watched, and then nothing is stopped.

    Accuracy on the source says little about the target, so that it is a poor way to choose between
    good checkpoints (Keung et al. 2020, "Don't Use English Dev"); but a model that forgets the
    source has lost what it should transfer.

    Paper: none that states the rule. Li et al. 2024, CoNLST, report that training without their
    source term "tends to fail", because the encoder moves away from the classifier.

    Departs: measured from the start, not from the iteration before as other criteria are: a source
    that is lost little by little is lost too. Whatever the recipe says, a run warns of a collapse
    when a stage loses more than .15; the default here is stricter, .05, and goes back before that.

    Raises:
        pydantic.ValidationError: `most_lost` lies outside [0, 1].

    Examples:
        >>> guard = SourceGuard(most_lost=0.05)
        >>> [guard.verdict(values) for values in ([0.80, 0.79, 0.76], [0.80, 0.79, 0.74])]
        ['go on', 'roll back']
    """

    most_lost: float = Field(
        0.05, ge=0, le=1, description="accuracy on the source that may be lost, in all"
    )

    def __call__(self, pool: Pool, *, before: Pool | None, source_accuracy: float) -> float:
        return float(source_accuracy)

    def verdict(self, values: Sequence[float]) -> Verdict:
        """Roll back an iteration that leaves less than was there at first, less `most_lost`."""
        lost = len(values) > 1 and values[-1] < values[0] - self.most_lost
        return "roll back" if lost else "go on"
