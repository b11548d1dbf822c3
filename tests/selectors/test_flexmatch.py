import math
import warnings
from collections import Counter

import pytest
import torch

from conlst.arrays import Sizes
from conlst.errors import ConlstWarning
from conlst.selectors.flexmatch import FlexMatch
from conlst.testing import check, pool_of, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()
MAPS = {
    "convex": lambda x: x / (2 - x),
    "linear": lambda x: x,
    "concave": lambda x: math.log(x + 1) / math.log(2),
    "low_limit": lambda x: 1 / (2 - x),
}


@pytest.mark.parametrize("mapping", MAPS)
def test_it_keeps_its_contract(mapping):
    check(FlexMatch(mapping=mapping, warm_up=mapping != "linear"))


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


@pytest.mark.oracle("selectors.flexmatch")
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
    convex, linear, concave, low_limit = found
    assert all(a <= b <= c for a, b, c in zip(convex, linear, concave, strict=True))
    assert len(set(found)) == 4
    assert min(low_limit) > 0.45  # never below tau / 2


# ---- online ------------------------------------------------------------------------------------


def steps(N, B, epochs):
    """Batches of a pool whose predictions change at every step."""
    generator, seed = torch.Generator().manual_seed(5), 0
    for _ in range(epochs):
        for chunk in torch.randperm(N, generator=generator).split(B):
            seed += 1
            yield random_pool(N, seed=seed).take(chunk)


def built(N, C=3, **parameters):
    return FlexMatch(**parameters).build(Sizes(C, 8, ("sw", "th"), N))


@pytest.mark.oracle("selectors.flexmatch")
@pytest.mark.parametrize("mapping", MAPS)
@pytest.mark.parametrize("warm_up", [True, False])
@pytest.mark.parametrize("floor", [None, 0.55])
def test_online_it_agrees_with_a_counter_over_all_rows(mapping, warm_up, floor):
    tau, N, last, kept_by_step = 0.7, 30, {}, []
    online = built(N, threshold=tau, mapping=mapping, warm_up=warm_up, floor=floor)
    for batch in steps(N, 7, 4):
        count = Counter(last.get(n, -1) for n in range(N))
        sure = [count[c] for c in range(3)]
        most = max(*sure, count[-1]) if warm_up else max(sure)
        beta = [s / most if most else 0.0 for s in sure]
        kept = []
        rows = zip(batch.place.tolist(), batch.probs_NC.tolist(), strict=True)
        for b, (n, q) in enumerate(rows):
            label = q.index(max(q))
            if max(q) >= max(MAPS[mapping](beta[label]) * tau, floor or 0.0):
                kept.append(b)
            if max(q) >= tau:
                last[n] = label
        assert online(batch, generator=GENERATOR).index.tolist() == kept
        kept_by_step.append(len(kept) / len(batch))
    assert len(set(kept_by_step)) > 2


def test_a_pass_of_a_model_that_stands_still_gives_the_thresholds_of_the_whole_pool():
    pool = random_pool(48, seed=2)
    flexmatch = FlexMatch(threshold=0.7)
    online = flexmatch.build(Sizes(3, 8, pool.languages, 48))
    for chunk in torch.randperm(48, generator=GENERATOR).split(5):
        online(pool.take(chunk), generator=GENERATOR)
    *sure, unsure = online.count.tolist()
    found = flexmatch.thresholds_at(sure, unsure)
    assert found == pytest.approx(flexmatch.thresholds(pool).tolist())


def test_a_batch_is_judged_by_the_thresholds_of_before_it():
    online = built(3, threshold=0.9, C=2)
    pool = pool_of([[0.95, 0.05], [0.7, 0.3], [0.3, 0.7]])
    assert len(online(pool, generator=GENERATOR).index) == 3  # nothing was known: all thresholds 0
    assert online(pool, generator=GENERATOR).index.tolist() == [0, 1, 2]  # warm-up: beta = 1 / 2
    cold = built(3, threshold=0.9, C=2, warm_up=False)
    cold(pool, generator=GENERATOR)
    assert cold(pool, generator=GENERATOR).index.tolist() == [0, 2]


def test_a_row_keeps_its_last_sure_label_until_it_is_sure_of_another():
    online = built(2, threshold=0.9, C=2)
    found = []
    for probs in ([0.95, 0.05], [0.6, 0.4], [0.3, 0.7], [0.05, 0.95]):
        online(pool_of([probs], place=torch.tensor([1])), generator=GENERATOR)
        found.append((online.last_N.tolist(), online.count.tolist()))
    sure_of_a, sure_of_b = ([2, 0], [1, 0, 1]), ([2, 1], [0, 1, 1])
    assert found == [sure_of_a, sure_of_a, sure_of_a, sure_of_b]


def test_the_counts_are_those_of_the_labels_and_sum_to_all_rows():
    online = built(30, threshold=0.7)
    for batch in steps(30, 7, 2):
        online(batch, generator=GENERATOR)
        assert online.count.tolist() == torch.bincount(online.last_N.long(), minlength=4).tolist()
        assert online.count.sum() == 30


def test_what_is_saved_halfway_goes_on_the_same():
    batches = list(steps(30, 7, 2))
    online, other = built(30, threshold=0.7), built(30, threshold=0.7)
    for batch in batches[:5]:
        online(batch, generator=GENERATOR)
    other.load_state_dict(online.state_dict())
    for batch in batches[5:]:
        a, b = (one(batch, generator=GENERATOR) for one in (online, other))
        assert a.index.tolist() == b.index.tolist()


def test_online_the_warning_comes_once_and_after_the_first_pass():
    pool = random_pool(30)
    online = built(30, threshold=0.9)
    when = []
    for step in range(12):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            online(pool.take(torch.arange(10) + step % 3 * 10), generator=GENERATOR)
        when += [step] * len(found)
    assert when == [2]
