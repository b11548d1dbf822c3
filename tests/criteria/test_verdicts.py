import math

import pytest

from conlst.criteria import Criterion, Entropy, MutualInformation, criteria

NAN = math.nan


@pytest.mark.parametrize("criterion", [Entropy(), MutualInformation()], ids=repr)
@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([], "go on"),
        ([0.5], "go on"),
        ([0.5, 0.6], "go on"),
        ([0.5, 0.5], "go on"),
        ([0.5, 0.7, 0.6], "roll back"),
        ([0.5, -math.inf], "roll back"),
        ([-math.inf, -math.inf], "go on"),
        ([NAN, 0.1], "go on"),
        ([0.5, NAN], "go on"),
        ([0.5, NAN, 0.1], "go on"),
    ],
)
def test_by_default_the_first_iteration_that_is_worse_is_rolled_back(criterion, values, verdict):
    assert criterion.verdict(values) == verdict


def test_no_criterion_stops_where_all_is_nan():
    for cls in criteria:
        for values in ([NAN], [NAN, NAN], [NAN, NAN, NAN]):
            assert cls().verdict(values) == "go on"


def test_a_criterion_of_ones_own_needs_only_a_figure():
    class Rows(Criterion):
        def __call__(self, pool, *, before, source_accuracy):
            return float(len(pool))

    assert Rows().verdict([3, 2]) == "roll back"
