import pytest
import torch
from pydantic import ValidationError

from conlst.negatives import AllOthers, Random
from conlst.testing import check, pool_of, random_pool

GENERATOR = torch.Generator()


@pytest.mark.parametrize(
    "part", [AllOthers(), AllOthers(at_most=0.1), AllOthers(at_most=1)], ids=repr
)
def test_it_keeps_the_contract(part):
    check(part)


@pytest.mark.oracle("labellers.all_others")
@pytest.mark.parametrize("at_most", [None, 0.02, 0.2, 0.45, 1.0])
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(at_most, C):
    for seed in range(3):
        pool = random_pool(50, C, seed=seed)
        mask = AllOthers(at_most=at_most)(pool, generator=GENERATOR)
        for row, q in zip(mask.tolist(), pool.probs_NC.tolist(), strict=True):
            own = q.index(max(q))
            bound = 1.0 if at_most is None else at_most
            assert row == [k != own and q[k] <= bound for k in range(C)]


def test_without_a_bound_it_is_the_set_of_random():
    pool = random_pool(30, 4)
    assert torch.equal(AllOthers()(pool, generator=GENERATOR), Random()(pool, generator=GENERATOR))


def test_a_row_that_wavers_rules_out_neither_and_may_have_none():
    pool = pool_of([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3]])
    mask = AllOthers(at_most=0.1)(pool, generator=GENERATOR)
    assert mask.int().tolist() == [[0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("at_most", [0, -0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(at_most):
    with pytest.raises(ValidationError, match="at_most"):
        AllOthers(at_most=at_most)
