import pytest
import torch

from conlst.negatives import ConfidenceGated
from conlst.testing import pool_of, random_pool

GENERATOR = torch.Generator()


def slow(pool):
    """Eq. 4, one row at a time."""
    found = []
    for q, sure in zip(pool.probs_NC.tolist(), pool.confident.tolist(), strict=True):
        own = q.index(max(q))
        others = [k for k in range(len(q)) if k != own]
        found.append(others if sure else [min(others, key=lambda k: q[k])])
    return found


@pytest.mark.oracle("labellers.confidence_gated")
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(C):
    pool = random_pool(50, C)
    mask = ConfidenceGated()(pool, generator=GENERATOR)
    assert [row.nonzero().flatten().tolist() for row in mask] == slow(pool)


def test_two_classes_leave_nothing_to_the_gate():
    pool = random_pool(20, 2)
    assert torch.equal(ConfidenceGated()(pool, generator=GENERATOR), pool.probs_NC < 0.5)


def test_a_row_without_preference_never_rules_out_its_own_label():
    pool = pool_of([[0.25] * 4], confident=[False])
    mask = ConfidenceGated()(pool, generator=GENERATOR)
    assert mask.sum() == 1
    assert not mask[0, pool.pseudo_label[0]]


def test_a_pool_that_does_not_say_who_is_confident_is_refused():
    with pytest.raises(ValueError, match=r"contrastive\.confident"):
        ConfidenceGated()(pool_of([[0.5, 0.5]]), generator=GENERATOR)
