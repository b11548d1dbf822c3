from collections import Counter

import pytest
import torch
from pydantic import ValidationError

from conlst.augment import Compose, Masking, Mixup, OneOf, Union, augmenters
from conlst.testing import check
from tests.augment.frequencies import assert_views


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


LIGHT, HEAVY, MIX = Masking(rate=0.1), Masking(rate=0.9), Mixup()


def counts(augmenter, n=6000):
    return {chain: len(origin) for origin, chain in augmenter.branches(n, generator=seeded())}


CASES = [
    OneOf(choices=[MIX]),
    OneOf(choices=[LIGHT, HEAVY, MIX]),
    OneOf(choices=[LIGHT, HEAVY, MIX], weights=[0.5, 0, 2]),
    OneOf(choices=[OneOf(choices=[LIGHT, MIX], weights=[1, 3]), HEAVY, MIX], weights=[2, 1, 1]),
    OneOf(choices=[Union(choices=[LIGHT, HEAVY]), Compose(steps=[HEAVY, MIX]), MIX]),
]


@pytest.mark.oracle("augmenters.one_of")
@pytest.mark.parametrize("one_of", CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("seed", [0, 1])
def test_chains_are_as_frequent_as_a_slow_sum_over_the_choices_says(one_of, seed):
    n = 4000
    assert_views(one_of, one_of.branches(n, generator=seeded(seed)), n)


@pytest.mark.parametrize("one_of", CASES, ids=range(len(CASES)))
def test_it_keeps_the_contract(one_of):
    check(one_of)


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_the_branches_hold_each_row_once(n):
    branches = OneOf(choices=[LIGHT, HEAVY, MIX]).branches(n, generator=seeded(n))
    rows = [b for origin, _ in branches for b in origin.tolist()]
    assert sorted(rows) == list(range(n))
    assert all(len(origin) for origin, _ in branches)


def test_choices_are_equally_likely_by_default():
    found = counts(OneOf(choices=[LIGHT, HEAVY, MIX]))
    assert all(abs(n - 2000) < 150 for n in found.values())


def test_weights_say_how_often():
    found = counts(OneOf(choices=[LIGHT, HEAVY, MIX], weights=[3, 1, 0]))
    assert abs(found[(LIGHT,)] - 4500) < 150
    assert (MIX,) not in found  # a choice that no row drew has no branch


def test_a_nested_choice_shares_out_its_rows():
    inner = OneOf(choices=[HEAVY, MIX])
    found = counts(OneOf(choices=[LIGHT, inner]))
    assert sum(found.values()) == 6000
    assert abs(found[(LIGHT,)] - 3000) < 150
    assert abs(found[(HEAVY,)] - 1500) < 150
    rows = Counter(
        b
        for origin, _ in OneOf(choices=[inner, inner]).branches(40, generator=seeded())
        for b in origin.tolist()
    )
    assert rows == Counter(range(40))


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1], "found 1 for 2"), ([0, 0], "above 0"), ([1, -1], r"greater than or equal to 0")],
)
def test_weights_that_cannot_be_are_refused(weights, message):
    with pytest.raises(ValidationError, match=message):
        OneOf(choices=[LIGHT, MIX], weights=weights)


def test_no_choice_is_refused():
    with pytest.raises(ValidationError, match="choices"):
        OneOf(choices=[])


def test_errors_say_which_choice():
    with pytest.raises(ValidationError) as caught:
        augmenters.validate(
            {"type": "one_of", "choices": [{"type": "masking", "rate": 2}, {"type": "mixpu"}]}
        )
    first, second = caught.value.errors()
    assert first["loc"] == ("choices", 0, "rate")
    assert second["loc"] == ("choices", 1, "type")
    assert "did you mean 'mixup'?" in second["msg"]
