import math

import pytest
from pydantic import ValidationError

from conlst.criteria import SourceGuard
from conlst.testing import check, random_pool

NAN = math.nan


def slow_verdict(values, most_lost):
    """Walk down from the first value and see how deep the last one lies."""
    if len(values) < 2:
        return "go on"
    floor = values[0] - most_lost
    return "roll back" if floor > values[-1] else "go on"


@pytest.mark.oracle("criteria.source_guard")
@pytest.mark.parametrize("most_lost", [0.0, 0.05, 0.15])
def test_it_agrees_with_a_slow_reading(most_lost):
    guard = SourceGuard(most_lost=most_lost)
    accuracies = [0.8, 0.82, 0.77, 0.74, 0.81, 0.6]
    for seed, accuracy in enumerate(accuracies):
        pool = random_pool(6, seed=seed)
        assert guard(pool, before=None, source_accuracy=accuracy) == accuracy
        seen = accuracies[: seed + 1]
        assert guard.verdict(seen) == slow_verdict(seen, most_lost)


@pytest.mark.parametrize("criterion", [SourceGuard(), SourceGuard(most_lost=0)], ids=repr)
def test_it_keeps_the_contract(criterion):
    check(criterion)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.80], "go on"),
        ([0.80, 0.75], "go on"),  # not more than .05
        ([0.80, 0.749], "roll back"),
        ([0.80, 0.78, 0.76, 0.74], "roll back"),  # lost little by little is lost too
        ([0.80, 0.90, 0.84], "go on"),  # counted from the first, not from the best
        ([NAN, 0.2], "go on"),
        ([0.8, NAN], "go on"),
    ],
)
def test_it_rolls_back_where_the_source_is_lost(values, verdict):
    assert SourceGuard().verdict(values) == verdict


def test_no_watched_rows_means_nan():
    assert math.isnan(SourceGuard()(random_pool(), before=None, source_accuracy=NAN))


@pytest.mark.parametrize("most_lost", [-0.1, 1.1])
def test_a_loss_outside_its_bounds_is_refused(most_lost):
    with pytest.raises(ValidationError, match="most_lost"):
        SourceGuard.model_validate({"most_lost": most_lost})
