import pytest
import torch
from pydantic import ValidationError

from conlst.selectors import Uncertainty
from conlst.testing import check, pool_of, random_pool
from tests.selectors.test_scores import NAMES, slow_score

GENERATOR = torch.Generator()
THRESHOLDS = {
    "max_prob": 0.7,
    "entropy": -0.6,
    "margin": 0.4,
    "mc_std": -0.05,
    "vacuity": -0.5,
    "dissonance": -0.3,
    "custom": -0.35,
}
PARTS = [
    *(Uncertainty(score=name, threshold=at) for name, at in THRESHOLDS.items()),
    *(Uncertainty(score=name, share=0.3) for name in THRESHOLDS),
]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


@pytest.mark.oracle("selectors.uncertainty")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_threshold_keeps_the_rows_a_plain_loop_keeps(name, seed):
    pool = random_pool(80, 4, seed=seed, passes=6)
    at = THRESHOLDS[name]
    kept = [n for n in range(80) if slow_score(name, pool, n) >= at]
    selection = Uncertainty(score=name, threshold=at)(pool, generator=GENERATOR)
    assert selection.index.tolist() == kept
    assert 0 < len(kept) < 80
    labels = [max(range(4), key=pool.probs_NC[n].tolist().__getitem__) for n in kept]
    assert selection.target_KC.argmax(1).tolist() == labels
    assert selection.weight.tolist() == [1.0] * len(kept)


@pytest.mark.oracle("selectors.uncertainty")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.001, 0.25, 0.5, 1.0])
def test_a_share_keeps_the_rows_that_come_first_when_sorted(name, share):
    pool = random_pool(50, seed=5, passes=6)
    order = sorted(range(50), key=lambda n: (-slow_score(name, pool, n), n))
    kept = sorted(order[: max(int(50 * share), 1)])
    selection = Uncertainty(score=name, share=share)(pool, generator=GENERATOR)
    assert selection.index.tolist() == kept


def test_equal_scores_fall_in_row_order():
    pool = pool_of([[0.6, 0.4], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    selection = Uncertainty(share=0.5)(pool, generator=GENERATOR)
    assert selection.index.tolist() == [0, 1]


def test_the_threshold_itself_is_kept():
    pool = pool_of([[0.9, 0.1], [0.89, 0.11]])
    assert Uncertainty(threshold=0.9)(pool, generator=GENERATOR).index.tolist() == [0]


def test_a_share_of_no_rows_is_none_and_of_one_row_is_that_row():
    pool = random_pool(6)
    part = Uncertainty(share=0.1)
    assert part(pool.take(torch.tensor([2])), generator=GENERATOR).index.tolist() == [0]
    nobody = pool.take(torch.tensor([], dtype=torch.int64))
    assert part(nobody, generator=GENERATOR).index.tolist() == []


def test_a_share_needs_the_whole_pool_and_a_threshold_does_not():
    assert Uncertainty(threshold=0.9).needs == set()
    assert Uncertainty(share=0.2).needs == {"pool"}
    assert Uncertainty(score="mc_std", threshold=-0.1).needs == {"passes"}
    assert Uncertainty(score="mc_std", share=0.2).all_needs() == {"passes", "pool"}


@pytest.mark.parametrize("fields", [{}, {"threshold": 0.9, "share": 0.2}])
def test_exactly_one_of_threshold_and_share_is_asked_for(fields):
    with pytest.raises(ValidationError, match="either a threshold or a share"):
        Uncertainty.model_validate(fields)


def test_a_threshold_that_no_row_can_reach_is_refused():
    with pytest.raises(ValidationError, match=r"entropy is at most 0.*-0\.5 was meant"):
        Uncertainty(score="entropy", threshold=0.5)


@pytest.mark.parametrize("share", [0, 1.1, -0.2])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValidationError, match="share"):
        Uncertainty.model_validate({"share": share})
