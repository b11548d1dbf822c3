import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Selection, Sizes
from conlst.selectors import (
    AllOf,
    Fixed,
    FlexMatch,
    PartialLabels,
    Selector,
    Uncertainty,
    selectors,
)
from conlst.testing import check, pool_of, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()
PARTS = [
    AllOf(selectors=[Fixed(threshold=0.6)]),
    AllOf(selectors=[Fixed(threshold=0.5), Uncertainty(score="entropy", share=0.4)]),
    AllOf(selectors=[FlexMatch(threshold=0.7), FlexMatch(mapping="linear")]),
    AllOf(selectors=[Uncertainty(score="mc_std", threshold=-0.05), Fixed(threshold=0.5)]),
]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


class Drawn(Selector):
    """Rows drawn at random, with targets and weights that are drawn as well."""

    share: float = 0.7

    def __call__(self, pool, *, generator):
        index = (torch.rand(len(pool), generator=generator) < self.share).nonzero().flatten()
        target = torch.rand(len(index), len(pool.classes), generator=generator).softmax(1)
        return Selection(index, target, 1 - torch.rand(len(index), generator=generator))


def slow_all_of(parts):
    """Row -> (target, weight), of selections as lists."""
    rows = [
        dict(
            zip(
                part.index.tolist(),
                zip(part.target_KC.tolist(), part.weight.tolist(), strict=True),
                strict=True,
            )
        )
        for part in parts
    ]
    found = {}
    for n in rows[0]:
        if not all(n in one for one in rows):
            continue
        targets = [one[n][0] for one in rows]
        agreed = [c for c in range(len(targets[0])) if all(y[c] == max(y) for y in targets)]
        weight = 1.0
        for one in rows:
            weight *= one[n][1]
        if agreed:
            found[n] = (targets[0], weight)
    return found


@pytest.mark.oracle("selectors.all_of")
@pytest.mark.parametrize("shares", [[0.7], [0.8, 0.6], [0.9, 0.9, 0.8]])
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_a_slow_intersection(shares, seed):
    pool, inner = random_pool(120), [Drawn(share=share) for share in shares]
    chance = torch.Generator().manual_seed(seed)
    expected = slow_all_of([one(pool, generator=chance) for one in inner])
    found = AllOf(selectors=inner)(pool, generator=torch.Generator().manual_seed(seed))
    assert found.index.tolist() == sorted(expected)
    assert 0 < len(expected) < 120
    for n, target, weight in zip(
        found.index.tolist(), found.target_KC.tolist(), found.weight.tolist(), strict=True
    ):
        assert target == expected[n][0]
        assert weight == pytest.approx(expected[n][1])


@pytest.mark.oracle("selectors.all_of")
def test_online_each_selector_remembers_by_itself():
    pool = random_pool(90, seed=4)
    inner = [FlexMatch(threshold=0.6, warm_up=False), FlexMatch(threshold=0.8, mapping="linear")]
    sizes = Sizes(3, 8, pool.languages, 90)
    together, apart = AllOf(selectors=inner).build(sizes), [one.build(sizes) for one in inner]
    for _ in range(2):
        for start in range(6):
            batch = pool.take(torch.arange(start, 90, 6))
            found = together(batch, generator=GENERATOR)
            expected = slow_all_of([one(batch, generator=GENERATOR) for one in apart])
            assert found.index.tolist() == sorted(expected)
    assert 0 < len(expected) < 15


def test_what_the_selectors_remember_is_saved():
    pool = random_pool(40)
    both = AllOf(selectors=[FlexMatch(), Fixed()]).build(Sizes(3, 8, pool.languages, 40))
    before = {name: value.clone() for name, value in both.state_dict().items()}
    both(pool, generator=GENERATOR)
    after = both.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in after)


def test_rows_in_dispute_are_dropped():
    class Other(Selector):
        def __call__(self, pool, *, generator):
            index = torch.arange(len(pool))
            return Selection(index, torch.tensor([[0.0, 1.0]] * len(pool)), torch.ones(len(pool)))

    pool = pool_of([[0.9, 0.1], [0.1, 0.9]])
    found = AllOf(selectors=[Fixed(threshold=0.5), Other()])(pool, generator=GENERATOR)
    assert found.index.tolist() == [1]


def test_the_target_is_the_first_selectors():
    pool, hard = random_pool(30), Fixed(threshold=0.34)
    sets = PartialLabels(selector=Fixed(threshold=1.0))
    for first, second, largest in ((sets, hard, 0.5), (hard, sets, 1.0)):
        found = AllOf(selectors=[first, second])(pool, generator=GENERATOR)
        assert found.target_KC.amax(1).tolist() == [largest] * 30


def test_a_candidate_set_agrees_with_each_class_in_it_and_with_no_other():
    pool = pool_of([[0.5, 0.4, 0.1], [0.1, 0.5, 0.4], [0.4, 0.1, 0.5]])
    sets = PartialLabels(selector=Fixed(threshold=1.0))

    class Second(Selector):
        def __call__(self, pool, *, generator):
            target = torch.tensor([[0.0, 1.0, 0.0]] * len(pool))
            return Selection(torch.arange(len(pool)), target, torch.ones(len(pool)))

    assert AllOf(selectors=[sets, Second()])(pool, generator=GENERATOR).index.tolist() == [0, 1]


def test_a_weight_that_underflows_still_counts_a_little():
    class Faint(Selector):
        def __call__(self, pool, *, generator):
            chosen = Fixed(threshold=0.5)(pool, generator=generator)
            return Selection(chosen.index, chosen.target_KC, chosen.weight * 1e-30)

    found = AllOf(selectors=[Faint(), Faint()])(pool_of([[0.9, 0.1]]), generator=GENERATOR)
    assert 0 < found.weight[0] < 1e-37


def test_nobody_in_common_is_an_empty_selection():
    either = AllOf(selectors=[Fixed(threshold=0.99), Uncertainty(share=0.01)])
    found = either(pool_of([[0.6, 0.4], [0.5, 0.5]]), generator=GENERATOR)
    assert found.target_KC.shape == (0, 2)


def test_it_needs_what_its_selectors_need():
    assert PARTS[0].all_needs() == set()
    assert PARTS[1].all_needs() == {"pool"}
    assert PARTS[3].all_needs() == {"passes"}


def test_no_selectors_are_refused_and_an_error_inside_is_reported_with_its_path():
    with pytest.raises(ValidationError, match="selectors"):
        AllOf.model_validate({"selectors": []})
    with pytest.raises(ValidationError) as caught:
        selectors.validate(
            {"type": "all_of", "selectors": [{"type": "fixed"}, {"type": "fixed", "treshold": 1}]}
        )
    assert caught.value.errors()[0]["loc"] == ("selectors", 1, "treshold")
