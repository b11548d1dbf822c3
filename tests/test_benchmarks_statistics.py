"""The bootstrap against slow loops over the same draws, and what its answers mean."""

from pathlib import Path

import numpy as np
import pytest

import conlst

if not (Path(conlst.__file__).parents[1] / "benchmarks").is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)

from benchmarks import bitmaps, statistics


@pytest.fixture
def right():
    """Two systems: 3 seeds, 2 languages, 12 rows of 5 premises of different sizes."""
    generator = np.random.default_rng(3)
    units = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4]
    return generator.random((3, 2, 12)) < 0.7, generator.random((3, 2, 12)) < 0.5, units


def accuracy(right_N, units, drawn):
    """Over the rows of drawn premises, one by one."""
    rows = [i for unit in drawn for i, of in enumerate(units) if of == unit]
    return sum(right_N[i] for i in rows) / len(rows)


def test_every_resample_is_the_mean_of_differences_over_its_seeds_and_premises(right):
    ours, theirs, units = right
    B, R, L, U = 40, 3, 2, 5
    premises = np.random.default_rng(0).integers(U, size=(B, U))
    seeds = np.random.default_rng(1).integers(R, size=(B, R))

    def difference(r, at, b):
        mine, other = (accuracy(which[r, at], units, premises[b]) for which in (ours, theirs))
        return mine - other

    slow = [np.mean([difference(r, at, b) for r in seeds[b] for at in range(L)]) for b in range(B)]
    told = statistics.compared(ours, theirs, units, resamples=B, seed=0)
    low, high = np.quantile(slow, [0.025, 0.975])
    assert told.low == pytest.approx(low)
    assert told.high == pytest.approx(high)
    beyond = min(sum(d <= 0 for d in slow), sum(d >= 0 for d in slow))
    assert told.p == pytest.approx(min(1, 2 * (beyond + 1) / (B + 1)))
    assert told.value == pytest.approx(ours.mean() - theirs.mean())


def test_a_system_beside_itself_shows_nothing(right):
    ours, _, units = right
    told = statistics.compared(ours, ours, units, resamples=100)
    assert told == (0, 0, 0, 1)


def test_seeds_that_disagree_widen_the_interval(right):
    _, _, units = right
    base = np.zeros((4, 2, 12), bool)
    agreeing, disagreeing = base.copy(), base.copy()
    agreeing[:, :, ::2] = True
    disagreeing[:2] = True
    width = [
        (told.high - told.low)
        for told in (statistics.compared(x, base, units) for x in (agreeing, disagreeing))
    ]
    assert width[0] < width[1]


def test_one_draw_of_premises_holds_for_every_comparison(right):
    ours, theirs, units = right
    again = statistics.compared(ours, theirs, units, resamples=200)
    assert again == statistics.compared(ours, theirs, units, resamples=200)
    single = statistics.compared(ours[:1], theirs[:1], units, resamples=200)
    tripled = statistics.compared(ours[[0, 0, 0]], theirs[[0, 0, 0]], units, resamples=200)
    assert single == pytest.approx(tripled)


def test_holm_multiplies_the_smallest_by_all_and_never_goes_down():
    p = {"a": 0.01, "b": 0.011, "c": 0.5, "d": 0.9}
    slow, largest = {}, 0
    for place, (name, value) in enumerate(sorted(p.items(), key=lambda item: item[1])):
        largest = max(largest, min(1, value * (4 - place)))
        slow[name] = largest
    assert statistics.holm(p) == slow
    assert list(statistics.holm(p)) == list(p)


def test_bitmaps_come_back_whatever_their_length():
    generator = np.random.default_rng(0)
    for n in (1, 7, 8, 9, 5010):
        right = generator.random(n) < 0.4
        assert (bitmaps.read(bitmaps.written(right), n) == right).all()


def test_rows_of_one_name_are_the_same_in_any_order():
    assert bitmaps.named(["2", "1"]) == bitmaps.named(["1", "2"]) != bitmaps.named(["1", "3"])
    assert bitmaps.order(["b", "c", "a"]) == [2, 0, 1]
