import warnings
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Sizes
from conlst.errors import ConlstWarning
from conlst.selectors import Fixed, FlexMatch, PartialLabels, Soft, TopKPerClass
from conlst.testing import check, pool_of, random_pool

GENERATOR = torch.Generator()
quiet = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
PARTS = [
    PartialLabels(selector=Fixed(threshold=0.6)),
    PartialLabels(selector=FlexMatch(), tail_weight=0.3),
    PartialLabels(selector=TopKPerClass(replay="equal")),
    PartialLabels(selector=Soft(selector=Fixed(threshold=0.6)), candidates=3),
]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


def slow_partial(pool, kept, k, tail_weight):
    """(target, weight) of each row; `kept` is the selection inside."""
    inside = {
        n: (target, weight)
        for n, target, weight in zip(
            kept.index.tolist(), kept.target_KC.tolist(), kept.weight.tolist(), strict=True
        )
    }
    found = []
    for n, q in enumerate(pool.probs_NC.tolist()):
        likeliest = sorted(range(len(q)), key=lambda c: (-q[c], c))[:k]
        target = [1 / k if c in likeliest else 0.0 for c in range(len(q))]
        found.append(inside.get(n, (target, tail_weight)))
    return found


def assert_same(found, expected):
    assert found.index.tolist() == list(range(len(expected)))
    for target, weight, (target_, weight_) in zip(
        found.target_KC.tolist(), found.weight.tolist(), expected, strict=True
    ):
        assert target == pytest.approx(target_)
        assert weight == pytest.approx(weight_)


@pytest.mark.oracle("selectors.partial_labels")
@pytest.mark.parametrize(("C", "k"), [(3, 2), (5, 2), (5, 4)])
@pytest.mark.parametrize("tail_weight", [1.0, 0.25])
def test_it_agrees_with_a_slow_loop(C, k, tail_weight):
    for seed in range(3):
        pool, inner = random_pool(50, C, seed=seed), Fixed(threshold=0.7)
        kept = inner(pool, generator=GENERATOR)
        part = PartialLabels(selector=inner, candidates=k, tail_weight=tail_weight)
        assert 0 < len(kept.index) < 50
        assert_same(part(pool, generator=GENERATOR), slow_partial(pool, kept, k, tail_weight))


@quiet
@pytest.mark.oracle("selectors.partial_labels")
def test_online_the_selector_inside_remembers():
    pool, inner = random_pool(60, seed=2), FlexMatch(threshold=0.6, warm_up=False)
    sizes = Sizes(3, 8, pool.languages, 60)
    part = PartialLabels(selector=inner, tail_weight=0.5).build(sizes)
    alone, tails = inner.build(sizes), []
    for start in (0, 1, 2, 3, 0, 1):
        batch = pool.take(torch.arange(start, 60, 4))
        kept = alone(batch, generator=GENERATOR)
        assert_same(part(batch, generator=GENERATOR), slow_partial(batch, kept, 2, 0.5))
        tails.append(15 - len(kept.index))
    assert tails[0] == 0 < tails[4]


def test_with_three_classes_the_set_rules_out_the_least_likely():
    pool = random_pool(40)
    found = PartialLabels(selector=Fixed(threshold=1.0))(pool, generator=GENERATOR)
    assert torch.equal(found.target_KC.argmin(1), pool.probs_NC.argmin(1))
    assert ((found.target_KC > 0).sum(1) == 2).all()


def test_classes_that_are_equally_likely_come_in_their_order():
    pool = pool_of([[0.25, 0.25, 0.25, 0.25]])
    found = PartialLabels(selector=Fixed(), candidates=3)(pool, generator=GENERATOR)
    assert (found.target_KC > 0).tolist() == [[True, True, True, False]]


@pytest.mark.parametrize("k", [2, 3])
def test_a_set_of_all_classes_says_nothing_and_is_left_out_with_a_warning(k):
    pool = pool_of([[0.95, 0.05], [0.60, 0.40]])
    with pytest.warns(ConlstWarning, match=f"{k} candidates says nothing with 2 classes") as caught:
        found = PartialLabels(selector=Fixed(), candidates=k)(pool, generator=GENERATOR)
    assert found.index.tolist() == [0]
    assert caught[0].filename == __file__  # it points at who called


def test_a_selector_that_freezes_does_not_freeze_candidate_sets():
    topk = TopKPerClass(count=3)
    part, alone, together = PartialLabels(selector=topk), (), ()
    for i in range(3):
        pool = random_pool(60, seed=i)
        plain = topk(replace(pool, history=alone), generator=GENERATOR)
        found = part(replace(pool, history=together), generator=GENERATOR)
        hard = found.target_KC.amax(1) == 1
        assert torch.equal(found.index[hard], plain.index)
        assert torch.equal(found.target_KC[hard], plain.target_KC)
        assert len(found.index) == 60
        alone, together = (*alone, plain), (*together, found)
    assert 40 < len(plain.index) < 60


def test_no_warning_where_the_sets_say_something():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PartialLabels(selector=Fixed())(random_pool(6), generator=GENERATOR)


@pytest.mark.parametrize("fields", [{"candidates": 1}, {"tail_weight": 0}, {"tail_weight": 1.5}])
def test_a_parameter_out_of_bounds_is_refused(fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        PartialLabels.model_validate({"selector": {"type": "fixed"}, **fields})


def test_it_needs_what_the_selector_inside_needs():
    assert PARTS[0].all_needs() == set()
    assert PARTS[2].all_needs() == {"pool"}
