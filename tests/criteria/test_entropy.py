import math

import pytest
import torch

from conlst.criteria import Entropy
from conlst.testing import check, pool_of, random_pool


def value(pool):
    return Entropy()(pool, before=None, source_accuracy=0.5)


@pytest.mark.oracle("criteria.entropy")
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(C):
    pool = random_pool(50, C, seed=C)
    rows = pool.probs_NC.tolist()
    spreads = [sum(-p * math.log(p) for p in q if p > 0) / math.log(C) for q in rows]
    assert value(pool) == pytest.approx(-sum(spreads) / len(spreads), abs=1e-6)


def test_it_keeps_the_contract():
    check(Entropy())


def test_it_lies_between_certain_and_uniform():
    assert value(pool_of(torch.eye(4))) == 0
    assert value(pool_of(torch.full((5, 4), 0.25))) == pytest.approx(-1)


def test_it_praises_a_model_that_has_collapsed():
    """As its docstring warns."""
    assert value(pool_of([[1.0, 0.0]] * 6)) > value(random_pool(30))


def test_nothing_to_stand_on_is_nan():
    assert math.isnan(value(pool_of(torch.zeros(0, 3))))
    assert math.isnan(value(pool_of(torch.ones(3, 1))))


def test_half_precision_is_enough():
    pool = pool_of(torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float16))
    assert value(pool) == pytest.approx(-0.5, abs=1e-3)
