import math

import pytest
import torch
from pydantic import ValidationError

from conlst.criteria import SND, snd
from conlst.testing import check, pool_of, random_pool


def value(pool, **fields):
    return SND(**fields)(pool, before=None, source_accuracy=0.5)


def slow(rows, tau):
    """Mean entropy of every row's soft neighbourhood, one pair at a time."""
    length = [math.sqrt(sum(p * p for p in q)) for q in rows]
    total = 0.0
    for i, q in enumerate(rows):
        weights = []
        for j, other in enumerate(rows):
            if i != j:
                dot = sum(a * b for a, b in zip(q, other, strict=True))
                weights.append(math.exp(dot / (length[i] * length[j]) / tau))
        total -= sum(w / sum(weights) * math.log(w / sum(weights)) for w in weights)
    return total / len(rows)


@pytest.mark.oracle("criteria.snd")
@pytest.mark.parametrize("tau", [0.05, 0.3])
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(C, tau):
    pool = random_pool(40, C, seed=C)
    expected = slow(pool.probs_NC.tolist(), tau)
    assert value(pool, temperature=tau) == pytest.approx(expected, abs=1e-5)


def test_chunks_change_nothing(monkeypatch):
    pool = random_pool(50)
    whole = value(pool)
    monkeypatch.setattr(snd, "CHUNK", 7)
    assert value(pool) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("criterion", [SND(), SND(rows=2), SND(rows=5, temperature=1.0)], ids=repr)
def test_it_keeps_the_contract(criterion):
    check(criterion)


def test_of_many_rows_evenly_spaced_ones_are_compared():
    pool = random_pool(50, seed=2)
    spaced = pool.take(torch.tensor([n * 50 // 15 for n in range(15)]))
    assert value(pool, rows=15) == pytest.approx(value(spaced), abs=1e-12)
    assert value(pool, rows=50) == value(pool)


def test_dense_clusters_are_better_than_rows_strewn_between_them():
    dense = pool_of([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4)
    strewn = pool_of([[n / 7, 1 - n / 7] for n in range(8)])
    assert value(dense) > value(strewn)


def test_the_row_itself_is_left_out():
    """Two tight clusters of three: each row has two neighbours, not three."""
    pool = pool_of([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3)
    assert value(pool) == pytest.approx(math.log(2), abs=1e-6)


def test_its_bounds():
    assert value(pool_of([[0.5, 0.5]] * 9)) == pytest.approx(math.log(8))
    assert value(pool_of([[0.5, 0.5], [0.1, 0.9]])) == 0
    assert math.isnan(value(pool_of([[0.5, 0.5]])))
    assert math.isnan(value(pool_of(torch.zeros(0, 2))))


@pytest.mark.parametrize("fields", [{"temperature": 0}, {"rows": 1}])
def test_parameters_outside_their_bounds_are_refused(fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        SND.model_validate(fields)
