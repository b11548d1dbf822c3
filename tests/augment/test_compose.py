from collections import Counter

import pytest
import torch
from pydantic import ValidationError

from conlst.augment import (
    Augmenter,
    Compose,
    EmbeddingNoise,
    Masking,
    Mixup,
    OneOf,
    Union,
    WordDropout,
)
from conlst.testing import check
from tests.augment.frequencies import assert_views

DROP, LIGHT, HEAVY, NOISE = WordDropout(), Masking(rate=0.1), Masking(rate=0.9), EmbeddingNoise()
LOW, HIGH, MIX = Mixup(where=2), Mixup(where=7), Mixup()
CASES = [
    Compose(steps=[MIX]),
    Compose(steps=[DROP, LIGHT, NOISE, LOW, HIGH, MIX]),
    Compose(steps=[LIGHT, LIGHT, LOW, LOW]),
    Compose(steps=[OneOf(choices=[LIGHT, HEAVY], weights=[1, 3]), MIX]),
    Compose(steps=[OneOf(choices=[DROP, LIGHT]), OneOf(choices=[LOW, MIX], weights=[1, 4])]),
    Compose(
        steps=[Union(choices=[DROP, LIGHT]), Union(choices=[HEAVY, OneOf(choices=[LOW, MIX])])]
    ),
    Compose(steps=[Compose(steps=[DROP, LIGHT]), Compose(steps=[NOISE, MIX])]),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.oracle("augmenters.compose")
@pytest.mark.parametrize("compose", CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("seed", [0, 1])
def test_chains_are_those_of_a_slow_walk_through_the_steps_and_as_frequent(compose, seed):
    n = 4000
    assert_views(compose, compose.branches(n, generator=seeded(seed)), n)


@pytest.mark.parametrize("compose", CASES, ids=range(len(CASES)))
def test_it_keeps_the_contract(compose):
    check(compose)


@pytest.mark.parametrize("n", [0, 1, 30])
def test_every_row_goes_through_every_step_once(n):
    compose = Compose(steps=[OneOf(choices=[DROP, LIGHT]), OneOf(choices=[NOISE, MIX])])
    branches = compose.branches(n, generator=seeded(n))
    assert Counter(b for origin, _ in branches for b in origin.tolist()) == Counter(range(n))
    assert all(len(chain) == 2 for origin, chain in branches if len(origin))


def test_a_row_keeps_what_it_drew_before():
    class Told(OneOf):
        """A choice that says who drew what."""

        def branches(self, n, *, generator):
            found = super().branches(n, generator=generator)
            drawn.append([(origin.tolist(), chain) for origin, chain in found])
            return found

    drawn = []
    compose = Compose(steps=[Told(choices=[DROP, LIGHT]), Told(choices=[NOISE, MIX])])
    branches = compose.branches(12, generator=seeded())
    first, *second = drawn
    expected = [
        ([rows[place] for place in places], chain + more)
        for (rows, chain), of_them in zip(first, second, strict=True)
        for places, more in of_them
    ]
    assert [(origin.tolist(), chain) for origin, chain in branches] == expected


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ([MIX, LIGHT], r"steps\.1: 'masking' changes tokens, and cannot follow 'mixup'"),
        ([LIGHT, DROP], r"steps\.1: 'word_dropout' changes rows, and cannot follow 'masking'"),
        ([HIGH, LOW], "changes states, .* changes states; the order is"),
        ([LOW, NOISE], "'embedding_noise' changes states, and cannot follow 'mixup'"),
        ([MIX, LOW], "'mixup' changes states, and cannot follow 'mixup', which changes features"),
        ([LIGHT, MIX, NOISE], r"steps\.2"),
        ([OneOf(choices=[DROP, MIX]), LIGHT], "cannot follow 'mixup'"),
        ([LIGHT, Union(choices=[MIX, OneOf(choices=[LOW, DROP])])], "'word_dropout' changes rows"),
        ([Compose(steps=[DROP, MIX]), LIGHT], "cannot follow 'mixup'"),
    ],
)
def test_an_order_that_cannot_be_run_is_refused(steps, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Compose(steps=steps)


def test_steps_whose_level_nobody_knows_are_taken_as_they_are():
    class Opaque(Augmenter):
        """Somebody's combinator, which does not show what it holds."""

        level = "mixed"

        def branches(self, n, *, generator):
            return [(torch.arange(n), (LIGHT,))]

    ((_, chain),) = Compose(steps=[Opaque(), MIX, Opaque()]).branches(2, generator=seeded())
    assert chain == (LIGHT, MIX, LIGHT)


def test_no_step_is_refused():
    with pytest.raises(ValidationError, match="steps"):
        Compose(steps=[])
