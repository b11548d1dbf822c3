import math

import pytest
import torch

from conlst.criteria import MutualInformation
from conlst.testing import check, pool_of, random_pool


def value(pool):
    return MutualInformation()(pool, before=None, source_accuracy=0.5)


def entropy(q):
    return sum(-p * math.log(p) for p in q if p > 0)


@pytest.mark.oracle("criteria.mutual_information")
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(C):
    rows = random_pool(50, C, seed=C).probs_NC.tolist()
    mean = [sum(q[c] for q in rows) / len(rows) for c in range(C)]
    expected = entropy(mean) - sum(map(entropy, rows)) / len(rows)
    assert value(pool_of(rows)) == pytest.approx(expected, abs=1e-6)


def test_it_is_the_mutual_information_of_a_row_and_its_class():
    """sum_nc P(n, c) log( P(n, c) / (P(n) P(c)) ), with every row as likely as another."""
    rows = random_pool(20, 4, seed=5).probs_NC.tolist()
    N = len(rows)
    of_class = [sum(q[c] for q in rows) / N for c in range(4)]
    expected = sum(q[c] / N * math.log(q[c] / of_class[c]) for q in rows for c in range(4))
    assert value(pool_of(rows)) == pytest.approx(expected, abs=1e-6)


def test_it_keeps_the_contract():
    check(MutualInformation())


def test_a_model_that_has_collapsed_tells_nothing_however_sure_it_is():
    assert value(pool_of([[1.0, 0.0]] * 6)) == 0
    assert value(pool_of([[0.7, 0.3]] * 6)) == pytest.approx(0, abs=1e-9)


def test_sure_and_balanced_is_the_best():
    assert value(pool_of(torch.eye(4))) == pytest.approx(math.log(4))
    assert value(pool_of(torch.eye(4)[[0, 0, 0, 1, 2, 3]])) < math.log(4)


def test_an_empty_pool_is_nan():
    assert math.isnan(value(pool_of(torch.zeros(0, 3))))
