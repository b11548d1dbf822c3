import math
import warnings

import pytest
import torch

from conlst.errors import ConlstWarning
from conlst.selectors import FlexMatch
from conlst.testing import pool_of, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()
MAPS = {
    "convex": lambda x: x / (2 - x),
    "linear": lambda x: x,
    "concave": lambda x: math.log(x + 1) / math.log(2),
}


def slow_thresholds(pool, tau, mapping, warm_up, floor):
    """T(c) of the paper, one row at a time."""
    C, unsure = len(pool.classes), 0
    sigma = [0] * C
    for q in pool.probs_NC.tolist():
        if max(q) >= tau:
            sigma[q.index(max(q))] += 1
        else:
            unsure += 1
    most = max(*sigma, unsure) if warm_up else max(sigma)
    beta = [s / most if most else 0.0 for s in sigma]
    return [max(MAPS[mapping](b) * tau, floor or 0.0) for b in beta]


@pytest.mark.parametrize("mapping", MAPS)
@pytest.mark.parametrize("warm_up", [True, False])
@pytest.mark.parametrize("floor", [None, 0.55])
@pytest.mark.parametrize("tau", [0.6, 0.9])
def test_it_agrees_with_a_slow_loop(mapping, warm_up, floor, tau):
    pool = random_pool(200, seed=3)
    flexmatch = FlexMatch(threshold=tau, mapping=mapping, warm_up=warm_up, floor=floor)
    expected = slow_thresholds(pool, tau, mapping, warm_up, floor)
    assert flexmatch.thresholds(pool).tolist() == pytest.approx(expected, rel=1e-5)
    kept = []
    for n, q in enumerate(pool.probs_NC.tolist()):
        if max(q) >= expected[q.index(max(q))]:
            kept.append(n)
    assert flexmatch(pool, generator=GENERATOR).index.tolist() == kept


def of_counts(*sure, unsure=0):
    """A pool with so many sure rows of each class, and some that nobody is sure of."""
    C = len(sure)
    row = torch.full((C, C), 0.02 / (C - 1)) + torch.eye(C) * (0.98 - 0.02 / (C - 1))
    rows = torch.cat([row[c].expand(n, -1) for c, n in enumerate(sure)])
    vague = torch.full((unsure, C), 0.6 / (C - 1))
    vague[:, 0] = 0.4
    return pool_of(torch.cat([rows, vague]))


def test_the_reference_example_of_three_classes():
    thresholds = FlexMatch(threshold=0.95).thresholds(of_counts(900, 500, 200))
    assert thresholds.tolist() == pytest.approx([0.95, 0.365, 0.119], abs=1e-3)


def test_warm_up_lowers_all_thresholds_while_the_unsure_are_many():
    pool = of_counts(20, 10, unsure=80)
    cold = FlexMatch(threshold=0.9, mapping="linear", warm_up=False).thresholds(pool)
    warm = FlexMatch(threshold=0.9, mapping="linear").thresholds(pool)
    assert cold.tolist() == pytest.approx([0.9, 0.45])
    assert warm.tolist() == pytest.approx([0.9 * 20 / 80, 0.9 * 10 / 80])


def test_the_class_learnt_best_keeps_tau_exactly():
    for mapping in MAPS:
        pool = of_counts(7, 3)
        assert FlexMatch(mapping=mapping).thresholds(pool)[0] == torch.tensor(0.9)


def test_nobody_sure_means_thresholds_of_zero_not_nan():
    pool = of_counts(0, 0, 0, unsure=5)
    for warm_up in (True, False):
        assert FlexMatch(warm_up=warm_up).thresholds(pool).tolist() == [0, 0, 0]


def test_a_threshold_that_is_none_is_warned_of_by_name():
    with pytest.warns(
        ConlstWarning, match=r"\(sw\).* b, c are at most 1/C = 0\.333.*floor"
    ) as found:
        FlexMatch(threshold=0.95)(of_counts(90, 45, 20), generator=GENERATOR)
    assert len(found) == 1
    assert found[0].filename == __file__  # it points at who called


def test_a_floor_silences_the_warning_and_stops_the_rare_class_from_taking_everything():
    pool = pool_of([[0.98, 0.02]] * 9 + [[0.02, 0.98]] + [[0.45, 0.55]] * 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selection = FlexMatch(floor=0.6)(pool, generator=GENERATOR)
    assert selection.index.tolist() == list(range(10))
    assert len(FlexMatch()(pool, generator=GENERATOR).index) == 15


def test_without_the_mapping_the_status_would_not_matter():
    pool = of_counts(20, 10, 5)
    found = [tuple(FlexMatch(mapping=m).thresholds(pool).tolist()) for m in MAPS]
    convex, linear, concave = found
    assert all(a <= b <= c for a, b, c in zip(convex, linear, concave, strict=True))
    assert len(set(found)) == 3
