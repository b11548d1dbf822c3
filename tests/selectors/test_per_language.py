import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Selection
from conlst.selectors import Fixed, FlexMatch, PerLanguage, Selector, selectors
from conlst.testing import random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()


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
