from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Selection, Sizes
from conlst.selectors import Fixed, FlexMatch, PerLanguage, Selector, TopKPerClass, selectors
from conlst.testing import check, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()
PARTS = [
    PerLanguage(selector=Fixed(threshold=0.6)),
    PerLanguage(selector=FlexMatch(threshold=0.7)),
    PerLanguage(selector=TopKPerClass(count=2, replay="equal")),
]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


@pytest.mark.oracle("selectors.per_language")
def test_each_language_is_selected_as_if_it_were_alone():
    pool = random_pool(90, languages=("sw", "th", "ur"))
    inner = FlexMatch(threshold=0.8, warm_up=False)
    joined = PerLanguage(selector=inner)(pool, generator=GENERATOR)
    expected = set()
    for code in range(3):
        rows = [n for n in range(90) if pool.language[n] == code]
        alone = inner(pool.take(torch.tensor(rows)), generator=GENERATOR)
        expected |= {rows[i] for i in alone.index.tolist()}
    assert joined.index.tolist() == sorted(expected)
    assert expected != set(inner(pool, generator=GENERATOR).index.tolist())


def test_a_selector_that_looks_at_single_rows_changes_nothing():
    pool = random_pool(60, languages=("sw", "th", "ur"))
    once = Fixed(threshold=0.6)(pool, generator=GENERATOR)
    each = PerLanguage(selector=Fixed(threshold=0.6))(pool, generator=GENERATOR)
    assert torch.equal(once.index, each.index)
    assert torch.equal(once.target_KC, each.target_KC)


class Halves(Selector):
    """Every second row, with soft targets and weights that tell the rows apart."""

    def __call__(self, pool, *, generator):
        index = torch.arange(0, len(pool), 2)
        return Selection(index, pool.probs_NC[index], pool.confidence[index])


def test_soft_targets_and_weights_stay_with_their_rows():
    pool = random_pool(24, languages=("sw", "th", "ur"))
    found = PerLanguage(selector=Halves())(pool, generator=GENERATOR)
    assert torch.equal(found.target_KC, pool.probs_NC[found.index])
    assert torch.equal(found.weight, pool.confidence[found.index])
    assert len(found.index) == 12


def test_a_pool_without_rows_selects_none():
    empty = random_pool(6).take(torch.tensor([], dtype=torch.int64))
    assert len(PerLanguage(selector=Fixed())(empty, generator=GENERATOR).index) == 0


def test_an_error_inside_is_reported_with_its_path():
    with pytest.raises(ValidationError) as caught:
        selectors.validate({"type": "per_language", "selector": {"type": "fixed", "treshold": 0.9}})
    assert caught.value.errors()[0]["loc"] == ("selector", "treshold")


class EveryOther(Selector):
    """Every second row it is ever shown, from batch to batch."""

    def build(self, sizes):
        return EveryOtherOnline()

    def __call__(self, pool, *, generator):
        return EveryOtherOnline()(pool, generator=generator)


class EveryOtherOnline(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("shown", torch.tensor(0))

    def forward(self, pool, *, generator):
        keep = (self.shown + torch.arange(len(pool))) % 2 == 0
        self.shown += len(pool)
        return Selection.hard(pool, keep)


@pytest.mark.oracle("selectors.per_language")
def test_online_each_language_has_a_memory_of_its_own():
    pool = random_pool(90, languages=("sw", "th", "ur"))
    built = PerLanguage(selector=EveryOther()).build(Sizes(3, 8, pool.languages, 90))
    shown = {}
    for rows in torch.randperm(90, generator=torch.Generator().manual_seed(0)).split(11):
        batch, expected = pool.take(rows), []
        for i, code in enumerate(pool.language[rows].tolist()):
            if shown.get(code, 0) % 2 == 0:
                expected.append(i)
            shown[code] = shown.get(code, 0) + 1
        found = built(batch, generator=GENERATOR)
        assert found.index.tolist() == expected
        labels = batch.probs_NC.argmax(1)[found.index]
        assert torch.equal(found.target_KC.argmax(1), labels)
    assert sorted(built.state_dict()) == [f"memories.{code}.shown" for code in range(3)]


def test_a_language_that_is_in_no_batch_remembers_nothing():
    pool = random_pool(12, languages=("sw", "th"))
    built = PerLanguage(selector=EveryOther()).build(Sizes(3, 8, pool.languages, 12))
    built(pool.take(torch.tensor([1, 3, 5])), generator=GENERATOR)
    assert [int(value) for value in built.state_dict().values()] == [0, 3]


def test_what_earlier_iterations_selected_is_counted_through_each_language():
    each = PerLanguage(selector=TopKPerClass(count=2, per_language=False))
    own, history = TopKPerClass(count=2), ()
    for seed in range(3):
        pool = replace(random_pool(60, seed=seed), history=history)
        found = each(pool, generator=GENERATOR)
        assert torch.equal(found.index, own(pool, generator=GENERATOR).index)
        assert torch.equal(found.target_KC, own(pool, generator=GENERATOR).target_KC)
        history = (*history, found)
    assert len(found.index) > 2 * 2 * 3 * 2
