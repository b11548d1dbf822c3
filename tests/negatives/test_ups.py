import statistics
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.negatives import UPS
from conlst.testing import check, pool_of, random_pool

GENERATOR = torch.Generator()
PARTS = [UPS(), UPS(threshold=0.2, spread=0.05, temperature=1), UPS(passes=2)]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


def slow_ups(part, pool):
    """One row and class at a time."""
    found = []
    for n, q in enumerate(pool.probs_NC.tolist()):
        passes = []
        for one in pool.probs_PNC[:, n].tolist():
            powers = [p ** (1 / part.temperature) for p in one]
            passes.append([p / sum(powers) for p in powers])
        columns = list(zip(*passes, strict=True))
        found.append(
            [
                c
                for c in range(len(q))
                if c != q.index(max(q))
                and statistics.fmean(columns[c]) < part.threshold
                and statistics.stdev(columns[c]) < part.spread
            ]
        )
    return found


@pytest.mark.oracle("labellers.ups")
@pytest.mark.parametrize("C", [2, 3, 6])
@pytest.mark.parametrize(
    "part",
    [
        UPS(),
        UPS(threshold=0.15, spread=0.03),
        UPS(threshold=0.3, spread=0.1, temperature=1.0),
        UPS(threshold=0.05, spread=0.02, temperature=0.5),
    ],
    ids=repr,
)
def test_it_agrees_with_a_slow_loop(part, C):
    hits = 0
    for seed in range(3):
        pool = random_pool(80, C, seed=seed, passes=10)
        pool = replace(pool, probs_PNC=(3 * pool.probs_PNC.log()).softmax(2))  # surer
        mask = part(pool, generator=GENERATOR)
        expected = slow_ups(part, pool)
        assert [row.nonzero().flatten().tolist() for row in mask] == expected
        hits += sum(map(len, expected))
    assert hits > 0


def of_passes(*passes):
    """One row as several passes see it; the plain pass is their mean."""
    both = torch.tensor([[one] for one in passes])
    return pool_of(both.mean(0), probs_PNC=both)


def test_at_temperature_2_little_is_unlikely_enough():
    steady = [[0.99, 0.004, 0.006]] * 3
    assert UPS()(of_passes(*steady), generator=GENERATOR).int().tolist() == [[0, 0, 0]]
    softer = UPS(temperature=1.0)
    assert softer(of_passes(*steady), generator=GENERATOR).int().tolist() == [[0, 1, 1]]


def test_a_class_that_wavers_between_passes_is_not_ruled_out():
    pool = of_passes([0.90, 0.09, 0.01], [0.98, 0.01, 0.01])
    part = UPS(temperature=1.0, threshold=0.1, spread=0.01)
    assert part(pool, generator=GENERATOR).int().tolist() == [[0, 0, 1]]


def test_the_deviation_has_the_divisor_of_a_sample():
    pool = of_passes([0.90, 0.10], [0.94, 0.06])  # .0283 with P - 1, .02 with P
    part = UPS(temperature=1.0, threshold=0.2, spread=0.025)
    assert not part(pool, generator=GENERATOR).any()


def test_the_own_pseudo_label_is_never_ruled_out_even_if_the_passes_do():
    pool = replace(of_passes(*[[0.001, 0.999]] * 3), probs_NC=torch.tensor([[0.9, 0.1]]))
    part = UPS(temperature=1.0, spread=1.0, threshold=1.0)
    assert part(pool, generator=GENERATOR).int().tolist() == [[0, 1]]


def test_probabilities_of_zero_are_unlikely_and_not_nan():
    pool = of_passes(*[[1.0, 0.0, 0.0]] * 2)
    assert UPS()(pool, generator=GENERATOR).int().tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("passes", [0, 1])
def test_fewer_than_two_passes_are_refused(passes):
    with pytest.raises(ValueError, match="two or more stochastic passes"):
        UPS()(random_pool(passes=passes), generator=GENERATOR)
    with pytest.raises(ValidationError, match="passes"):
        UPS(passes=1)
