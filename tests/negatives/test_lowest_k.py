import json
from fractions import Fraction

import pytest
import torch
from pydantic import ValidationError

from conlst.negatives import ConfidenceGated, LowestK, Random, labellers
from conlst.testing import check, pool_of, random_pool

GENERATOR = torch.Generator()


@pytest.mark.parametrize("part", [LowestK(), LowestK(k=2), LowestK(k=99), LowestK(k=0.7)], ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


def slow(pool, k):
    """One row at a time, with exact shares."""
    C, found = len(pool.classes), []
    m = min(k, C - 1) if isinstance(k, int) else max(1, int(Fraction(str(k)) * C))
    for q in pool.probs_NC.tolist():
        others = [c for c in range(C) if c != q.index(max(q))]
        found.append(sorted(sorted(others, key=lambda c: q[c])[:m]))
    return found


@pytest.mark.oracle("labellers.lowest_k")
@pytest.mark.parametrize("C", [2, 3, 10])
@pytest.mark.parametrize("k", [1, 2, 9, 50, 0.1, 0.5, 0.7, 0.99])
def test_it_agrees_with_a_slow_loop(C, k):
    for seed in range(3):
        pool = random_pool(40, C, seed=seed)
        mask = LowestK(k=k)(pool, generator=GENERATOR)
        assert [row.nonzero().flatten().tolist() for row in mask] == slow(pool, k)


def test_one_is_the_gate_with_nobody_confident_and_all_is_random():
    pool = random_pool(30, 5, gamma=1.1)
    gated = ConfidenceGated()(pool, generator=GENERATOR)
    assert torch.equal(LowestK()(pool, generator=GENERATOR), gated)
    everything = Random()(pool, generator=GENERATOR)
    assert torch.equal(LowestK(k=4)(pool, generator=GENERATOR), everything)


def test_a_share_is_not_led_astray_by_rounding():
    pool = random_pool(3, 100)
    assert int(0.29 * 100) == 28
    assert LowestK(k=0.29)(pool, generator=GENERATOR).sum(1).tolist() == [29] * 3


def test_a_row_without_preference_rules_out_the_first_classes_but_its_own():
    pool = pool_of([[0.25] * 4])
    assert LowestK(k=2)(pool, generator=GENERATOR).int().tolist() == [[0, 1, 1, 0]]


@pytest.mark.parametrize("k", [0, -1, 0.0, 1.0, 1.5, 2.0, True, "1", None])
def test_what_is_no_number_and_no_share_is_refused(k):
    with pytest.raises(ValidationError):
        LowestK(k=k)


def test_a_number_stays_a_number_and_a_share_a_share():
    for k in (3, 0.3):
        kept = labellers.validate(json.loads(json.dumps(LowestK(k=k).model_dump()))).k
        assert kept == k
        assert type(kept) is type(k)
