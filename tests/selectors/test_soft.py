from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Sizes
from conlst.selectors import Fixed, FlexMatch, Soft, TopKPerClass, Uncertainty
from conlst.testing import check, pool_of, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()
PARTS = [
    Soft(selector=Fixed(threshold=0.5)),
    Soft(selector=FlexMatch(), temperature=1),
    Soft(selector=TopKPerClass(), temperature=0.01),
    Soft(selector=Uncertainty(score="mc_std", threshold=-0.1), temperature=100),
]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


def slow_targets(pool, index, T):
    """The sharpened distribution of each row, in floats."""
    found = []
    for n in index:
        powers = [q ** (1 / T) for q in pool.probs_NC[n].tolist()]
        found += [[power / sum(powers) for power in powers]]
    return found


@pytest.mark.oracle("selectors.soft")
@pytest.mark.parametrize("T", [0.2, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("C", [2, 5])
def test_it_agrees_with_a_slow_loop(T, C):
    for seed in range(3):
        pool = random_pool(60, C, seed=seed)
        inner = Fixed(threshold=0.6)
        kept = inner(pool, generator=GENERATOR)
        found = Soft(selector=inner, temperature=T)(pool, generator=GENERATOR)
        assert found.index.tolist() == kept.index.tolist()
        assert torch.equal(found.weight, kept.weight)
        expected = slow_targets(pool, kept.index.tolist(), T)
        for one, other in zip(found.target_KC.tolist(), expected, strict=True):
            assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.oracle("selectors.soft")
def test_online_the_selector_inside_remembers():
    pool, inner = random_pool(60, seed=2), FlexMatch(threshold=0.6, warm_up=False)
    sizes = Sizes(3, 8, pool.languages, 60)
    soft, alone = Soft(selector=inner).build(sizes), inner.build(sizes)
    counts = []
    for start in (0, 1, 2, 3, 0, 1):
        batch = pool.take(torch.arange(start, 60, 4))
        found, kept = soft(batch, generator=GENERATOR), alone(batch, generator=GENERATOR)
        assert found.index.tolist() == kept.index.tolist()
        expected = slow_targets(batch, kept.index.tolist(), 0.5)
        for one, other in zip(found.target_KC.tolist(), expected, strict=True):
            assert one == pytest.approx(other, abs=1e-5)
        counts.append(len(kept.index))
    assert counts[0] == 15 > counts[4]  # the first batch comes before any threshold


def test_at_temperature_1_the_target_is_what_the_model_says():
    pool = random_pool(20)
    found = Soft(selector=Fixed(threshold=0.34), temperature=1)(pool, generator=GENERATOR)
    assert torch.allclose(found.target_KC, pool.probs_NC[found.index])


def test_a_probability_of_zero_stays_zero():
    pool = pool_of([[1.0, 0.0, 0.0], [0.6, 0.4, 0.0]])
    found = Soft(selector=Fixed(threshold=0.5), temperature=0.01)(pool, generator=GENERATOR)
    assert found.target_KC[0].tolist() == [1, 0, 0]
    assert found.target_KC[1].tolist() == pytest.approx([1, 0, 0])


def test_a_frozen_row_stays_but_its_label_follows_the_model():
    soft = Soft(selector=TopKPerClass(count=1))
    first = soft(pool_of([[0.9, 0.1], [0.2, 0.8]]), generator=GENERATOR)
    later = replace(pool_of([[0.4, 0.6], [0.3, 0.7]]), history=(first,))
    found = soft(later, generator=GENERATOR)
    assert found.index.tolist() == [0, 1]
    assert found.target_KC.argmax(1).tolist() == [1, 1]


def test_it_needs_what_the_selector_inside_needs():
    assert [part.all_needs() for part in PARTS] == [set(), set(), {"pool"}, {"passes"}]


@pytest.mark.parametrize("temperature", [0, -1, 0.001, 1000])
def test_a_temperature_out_of_bounds_is_refused(temperature):
    with pytest.raises(ValidationError, match="temperature"):
        Soft(selector=Fixed(), temperature=temperature)
