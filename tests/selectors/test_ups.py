import statistics
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.selectors import UPS
from conlst.testing import check, pool_of, random_pool

GENERATOR = torch.Generator()
PARTS = [UPS(), UPS(balanced=0), UPS(threshold=0.5, spread=0.2, least=1), UPS(passes=2)]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


def slow_ups(part, pool):
    """Row -> label, one row at a time."""
    passes = pool.probs_PNC.tolist()
    C, found = len(pool.classes), {}
    for n in range(len(pool)):
        mean = [statistics.fmean(one[n][c] for one in passes) for c in range(C)]
        c = mean.index(max(mean))
        spread = statistics.stdev(one[n][c] for one in passes)
        if mean[c] >= part.threshold and spread < part.spread:
            found.setdefault(c, []).append((spread, n))
    if pool.round <= part.balanced:
        b = max(part.least, min(len(found.get(c, [])) for c in range(C)))
        found = {c: sorted(rows)[:b] for c, rows in found.items()}
    return {n: c for c, rows in found.items() for _, n in rows}


def labels_of(selection):
    labels = selection.target_KC.argmax(1).tolist()
    return dict(zip(selection.index.tolist(), labels, strict=True))


@pytest.mark.oracle("selectors.ups")
@pytest.mark.parametrize("part", [UPS(), UPS(threshold=0.4, spread=0.12, least=4), UPS(least=1)])
@pytest.mark.parametrize("C", [2, 3])
@pytest.mark.parametrize("round_", [1, 11])
def test_it_agrees_with_a_slow_loop(part, C, round_):
    for seed in range(3):
        pool = replace(random_pool(200, C, seed=seed, passes=10), round=round_)
        expected = slow_ups(part, pool)
        assert labels_of(part(pool, generator=GENERATOR)) == expected
        assert len(expected) > 2


def pool_with(passes):
    """A pool of stochastic passes; the plain pass says something else."""
    passes = torch.tensor(passes)
    return pool_of(torch.full(passes.shape[1:], 1 / passes.shape[2]), probs_PNC=passes)


def test_the_label_is_that_of_the_mean_over_passes():
    pool = pool_with([[[0.1, 0.9], [0.86, 0.14]], [[0.12, 0.88], [0.9, 0.1]]])
    found = UPS()(pool, generator=GENERATOR)
    assert pool.pseudo_label.tolist() == [0, 0]
    assert labels_of(found) == {0: 1, 1: 0}


def test_a_confident_row_that_wavers_is_left_out():
    pool = pool_with([[[0.99, 0.01], [0.9, 0.1]], [[0.80, 0.20], [0.9, 0.1]]])
    assert labels_of(UPS()(pool, generator=GENERATOR)) == {1: 0}


def test_the_threshold_itself_is_kept_and_the_spread_itself_is_not():
    pool = pool_with([[[0.75, 0.25]], [[0.75, 0.25]]])
    assert len(UPS(threshold=0.75)(pool, generator=GENERATOR).index) == 1
    pool = pool_with([[[0.75, 0.25]], [[1.0, 0.0]]])  # both exact in binary
    spread = statistics.stdev([0.75, 1.0])
    assert len(UPS(spread=spread)(pool, generator=GENERATOR).index) == 0
    assert len(UPS(spread=spread + 1e-9)(pool, generator=GENERATOR).index) == 1


def unbalanced(round_):
    """Forty rows of class a, each less steady than the one before, and thirty of class b."""
    rows = [[0.9 - 0.001 * i, 0.1 + 0.001 * i] for i in range(40)] + [[0.1, 0.9]] * 30
    still = [[0.9, 0.1]] * 40 + [[0.1, 0.9]] * 30
    return replace(pool_with([rows, still]), round=round_)


def test_classes_are_balanced_by_least_spread_in_the_first_iterations_alone():
    found = UPS(balanced=3)(unbalanced(3), generator=GENERATOR)
    assert found.index.tolist() == [*range(30), *range(40, 70)]
    assert len(UPS(balanced=3)(unbalanced(4), generator=GENERATOR).index) == 70


def test_a_tiny_class_does_not_cut_the_others_below_the_least_count():
    pool = unbalanced(1).take(torch.arange(42))
    assert len(UPS()(pool, generator=GENERATOR).index) == 25 + 2
    assert len(UPS(least=1)(pool, generator=GENERATOR).index) == 2 + 2


def test_nobody_kept_is_an_empty_selection():
    pool = pool_with([[[0.5, 0.5]] * 3, [[0.4, 0.6]] * 3])
    assert UPS()(pool, generator=GENERATOR).target_KC.shape == (0, 2)


def test_a_pool_without_passes_is_refused():
    with pytest.raises(ValueError, match="two or more stochastic passes"):
        UPS()(random_pool(), generator=GENERATOR)


def test_one_pass_has_no_spread_and_is_refused():
    with pytest.raises(ValidationError, match="passes"):
        UPS(passes=1)
