import warnings

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Sizes
from conlst.errors import ConlstWarning
from conlst.selectors.freematch import FreeMatch
from conlst.testing import check, pool_of, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()


@pytest.mark.parametrize("freematch", [FreeMatch(), FreeMatch(momentum=0.5, floor=0.5)], ids=repr)
def test_it_keeps_its_contract(freematch):
    check(freematch)


def slow_means(pool):
    """t and p(c) of one look at a pool."""
    rows = pool.probs_NC.tolist()
    t = sum(max(q) for q in rows) / len(rows)
    return t, [sum(q[c] for q in rows) / len(rows) for c in range(len(rows[0]))]


def slow_kept(pool, t, p, floor):
    kept = []
    for n, q in enumerate(pool.probs_NC.tolist()):
        asked = max(t * p[q.index(max(q))] / max(p), floor or 0.0)
        if max(q) >= asked:
            kept.append(n)
    return kept


@pytest.mark.oracle("selectors.freematch")
@pytest.mark.parametrize("floor", [None, 0.55])
@pytest.mark.parametrize("C", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_a_slow_loop(floor, C, seed):
    pool = random_pool(80, C, seed=seed)
    kept = slow_kept(pool, *slow_means(pool), floor)
    assert FreeMatch(floor=floor)(pool, generator=GENERATOR).index.tolist() == kept
    assert 0 < len(kept) < 80


def steps(N, B, epochs, C=3):
    """Batches of a pool whose predictions change at every step."""
    generator, seed = torch.Generator().manual_seed(5), 0
    for _ in range(epochs):
        for chunk in torch.randperm(N, generator=generator).split(B):
            seed += 1
            yield random_pool(N, C, seed=seed).take(chunk)


@pytest.mark.oracle("selectors.freematch")
@pytest.mark.parametrize("momentum", [0.0, 0.8, 0.999])
@pytest.mark.parametrize("floor", [None, 0.55])
@pytest.mark.parametrize("C", [2, 4])
def test_online_it_agrees_with_a_slow_loop(momentum, floor, C):
    online = FreeMatch(momentum=momentum, floor=floor).build(Sizes(C, 8, ("sw", "th"), 30))
    t, p = 1 / C, [1 / C] * C
    for batch in steps(30, 7, 3, C):
        now_t, now_p = slow_means(batch)
        t = momentum * t + (1 - momentum) * now_t
        p = [momentum * old + (1 - momentum) * new for old, new in zip(p, now_p, strict=True)]
        kept = slow_kept(batch, t, p, floor)
        assert online(batch, generator=GENERATOR).index.tolist() == kept
        assert online.confidence.mean.item() == pytest.approx(t, rel=1e-5)
        assert online.probs_C.mean.tolist() == pytest.approx(p, rel=1e-5)


def test_the_whole_pool_in_one_batch_without_memory_is_the_closed_form():
    pool = random_pool(60, seed=4)
    online = FreeMatch(momentum=0).build(Sizes(3, 8, pool.languages, 60))
    once = FreeMatch()(pool, generator=GENERATOR)
    assert online(pool, generator=GENERATOR).index.tolist() == once.index.tolist()


def test_running_means_settle_at_the_closed_form_where_the_model_stands_still():
    pool = random_pool(60, seed=4)
    online = FreeMatch(momentum=0.5).build(Sizes(3, 8, pool.languages, 60))
    for _ in range(40):
        online(pool, generator=GENERATOR)
    found = online.freematch.thresholds_at(online.confidence.mean, online.probs_C.mean)
    assert found.tolist() == pytest.approx(FreeMatch().thresholds(pool).tolist(), rel=1e-5)


def test_the_commonest_class_asks_for_the_mean_confidence_and_others_for_less():
    pool = pool_of([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.4, 0.6]])
    assert FreeMatch().thresholds(pool).tolist() == pytest.approx([0.72, 0.72 * 0.4 / 0.6])


def test_rows_that_are_all_equally_sure_are_all_kept():
    for N, p in ((17, 0.9), (23, 0.7), (101, 1 / 3)):
        pool = pool_of([[p, 1 - p]] * N)
        assert len(FreeMatch()(pool, generator=GENERATOR).index) == N


def test_a_class_never_predicted_has_a_threshold_of_zero_not_nan():
    pool = pool_of([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    assert FreeMatch().thresholds(pool)[2] == 0
    assert FreeMatch()(pool, generator=GENERATOR).index.tolist() == [0, 1]


def test_an_empty_pool_selects_none():
    empty = random_pool(6).take(torch.tensor([], dtype=torch.int64))
    assert len(FreeMatch()(empty, generator=GENERATOR).index) == 0


def test_a_step_without_rows_forgets_nothing():
    online = FreeMatch(momentum=0.5).build(Sizes(3, 8, ("sw", "th"), 6))
    online(random_pool(6), generator=GENERATOR)
    before = {name: value.clone() for name, value in online.state_dict().items()}
    online(random_pool(6).take(torch.tensor([], dtype=torch.int64)), generator=GENERATOR)
    assert all(torch.equal(value, before[name]) for name, value in online.state_dict().items())


def test_a_threshold_that_is_none_is_warned_of_by_name_and_a_floor_prevents_it():
    pool = pool_of([[0.9, 0.1]] * 9 + [[0.45, 0.55]])
    with pytest.warns(ConlstWarning, match=r"freematch \(sw\).* b are at most.*floor: 0\.75"):
        assert FreeMatch()(pool, generator=GENERATOR).index.tolist() == list(range(10))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = FreeMatch(floor=0.75)(pool, generator=GENERATOR)
    assert chosen.index.tolist() == list(range(9))


def test_online_the_warning_comes_once_and_after_the_first_pass():
    pool, when = pool_of([[0.9, 0.1]] * 6), []
    online = FreeMatch(momentum=0.9).build(Sizes(2, 8, pool.languages, 6))
    for step in range(9):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            online(pool.take(torch.arange(2) + step % 3 * 2), generator=GENERATOR)
        when += [step] * len(found)
    assert when == [2]


@pytest.mark.parametrize("wrong", [{"momentum": 1}, {"momentum": -0.1}, {"floor": 0}])
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FreeMatch.model_validate(wrong)
