import math
import statistics
from dataclasses import replace
from typing import get_args

import pytest
import torch

from conlst.selectors.scores import SCORES, Score, check_threshold, needs_of, score
from conlst.testing import pool_of, random_pool

NAMES = get_args(Score)


def slow_score(name, pool, n):
    """The formula of one row, in floats."""
    q, z, C = pool.probs_NC[n].tolist(), pool.logits_NC[n].tolist(), len(pool.classes)
    if name == "max_prob":
        return max(q)
    if name == "entropy":
        return sum(p * math.log(p, C) for p in q if p > 0)
    if name == "margin":
        return sorted(q)[-1] - sorted(q)[-2]
    if name == "mc_std":
        return -statistics.stdev(one[n][q.index(max(q))] for one in pool.probs_PNC.tolist())
    evidence = [x + 1 if x > 0 else math.exp(x) for x in z]
    S = sum(e + 1 for e in evidence)
    if name == "vacuity":
        return -C / S
    b, conflict = [e / S for e in evidence], 0.0
    for k in range(C):
        others = [j for j in range(C) if j != k]
        weighed = sum(b[j] * (1 - abs(b[j] - b[k]) / (b[j] + b[k] + 1e-7)) for j in others)
        conflict += b[k] * weighed / (sum(b[j] for j in others) + 1e-7)
    return -conflict if name == "dissonance" else -(0.1 * C / S + conflict)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("C", [2, 3, 7])
def test_each_agrees_with_its_formula_in_floats(name, C):
    pool = random_pool(40, C, seed=C, passes=5)
    expected = [slow_score(name, pool, n) for n in range(40)]
    found = score(name, pool)
    assert found.shape == (40,)
    assert found.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_every_name_has_a_function_of_that_name():
    assert {name: one.__name__ for name, one in SCORES.items()} == {name: name for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_larger_means_surer(name):
    logits = torch.tensor([[9.0, -4.0, -4.0], [2.0, 1.0, -1.0], [0.5, 0.5, 0.4]])
    steady = torch.tensor([[[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.3, 0.4, 0.3]]])
    passes = torch.cat([steady, steady + torch.tensor([[0.0], [0.1], [0.2]])])
    pool = pool_of(logits.softmax(1), logits_NC=logits, probs_PNC=passes)
    sure, fair, unsure = score(name, pool).tolist()
    assert sure > fair > unsure


def test_the_ends_of_the_ranges():
    pool = pool_of([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert score("entropy", pool).tolist() == pytest.approx([0, -1])  # log of 0 is no NaN
    assert score("margin", pool).tolist() == pytest.approx([1, 0])
    assert score("max_prob", pool).tolist() == pytest.approx([1, 1 / 3])


def test_no_evidence_is_all_vacuity_and_no_conflict():
    pool = replace(random_pool(4), logits_NC=torch.full((4, 3), -200.0))
    assert score("vacuity", pool).tolist() == [-1] * 4
    assert score("dissonance", pool).tolist() == pytest.approx([0] * 4)
    assert score("custom", pool).tolist() == pytest.approx([-0.1] * 4)


def test_equal_evidence_for_all_is_full_conflict():
    pool = replace(random_pool(4), logits_NC=torch.full((4, 3), 1e6))
    assert score("dissonance", pool).tolist() == pytest.approx([-1] * 4, abs=1e-3)


def test_the_class_of_mc_std_is_that_of_the_plain_pass():
    probs = torch.tensor([[0.6, 0.4, 0.0]])
    passes = torch.tensor([[[0.1, 0.8, 0.1]], [[0.3, 0.7, 0.0]]])
    found = score("mc_std", pool_of(probs, probs_PNC=passes))
    assert found.tolist() == pytest.approx([-statistics.stdev([0.1, 0.3])])


@pytest.mark.parametrize("passes", [0, 1])
def test_mc_std_of_fewer_than_two_passes_is_refused_not_nan(passes):
    with pytest.raises(ValueError, match="two or more stochastic passes"):
        score("mc_std", random_pool(passes=passes))


def test_only_mc_std_needs_passes():
    assert {name for name in NAMES if "passes" in needs_of(name)} == {"mc_std"}


@pytest.mark.parametrize("name", NAMES)
def test_no_row_passes_the_largest_threshold(name):
    largest = 1 if name in ("max_prob", "margin") else 0
    check_threshold(name, largest)
    check_threshold(name, None)
    with pytest.raises(ValueError, match=f"{name} is at most {largest}"):
        check_threshold(name, largest + 0.3)
    assert score(name, random_pool(60, passes=4)).max() <= largest


def test_who_forgets_the_minus_sign_is_told():
    with pytest.raises(ValueError, match=r"minus sign here; -0\.3 was meant"):
        check_threshold("entropy", 0.3)
