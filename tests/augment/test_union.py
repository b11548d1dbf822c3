import pytest
import torch
from pydantic import ValidationError

from conlst.augment import Compose, Masking, Mixup, OneOf, Union
from conlst.testing import check
from tests.augment.frequencies import assert_views

LIGHT, HEAVY, MIX = Masking(rate=0.1), Masking(rate=0.9), Mixup()
CASES = [
    Union(choices=[MIX]),
    Union(choices=[LIGHT, HEAVY, MIX]),
    Union(choices=[LIGHT, LIGHT]),
    Union(choices=[Union(choices=[LIGHT, MIX]), OneOf(choices=[HEAVY, MIX], weights=[1, 3])]),
    Union(choices=[Compose(steps=[LIGHT, MIX]), HEAVY]),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.oracle("augmenters.union")
@pytest.mark.parametrize("union", CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("n", [1, 4000])
def test_every_row_has_the_views_that_a_slow_sum_over_the_choices_says(union, n):
    branches = union.branches(n, generator=seeded(n))
    if n > 1:
        assert_views(union, branches, n)
    for row in (0, n - 1):
        holding = [chain for origin, chain in branches if row in origin.tolist()]
        assert len(holding) == sum(1 if not isinstance(c, Union) else 2 for c in union.choices)


@pytest.mark.parametrize("union", CASES, ids=range(len(CASES)))
def test_it_keeps_the_contract(union):
    check(union)


def test_the_views_stand_in_the_order_of_the_choices():
    found = Union(choices=[MIX, LIGHT]).branches(3, generator=seeded())
    assert [(origin.tolist(), chain) for origin, chain in found] == [
        ([0, 1, 2], (MIX,)),
        ([0, 1, 2], (LIGHT,)),
    ]


def test_no_choice_is_refused():
    with pytest.raises(ValidationError, match="choices"):
        Union(choices=[])
