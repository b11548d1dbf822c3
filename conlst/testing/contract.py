"""Every promise of a kind at once, as a call or as a class of tests to inherit."""

from collections.abc import Callable
from typing import Any

from conlst.augment.base import Augmenter
from conlst.augment.translators.base import Translator
from conlst.criteria.base import Criterion
from conlst.losses.base import Loss
from conlst.negatives.base import ComplementaryLabeller, NegativeSampler
from conlst.registry import Strategy
from conlst.selectors.base import Selector
from conlst.testing.augment import check_augmenter, check_translator
from conlst.testing.criteria import check_criterion
from conlst.testing.losses import check_loss
from conlst.testing.negatives import check_labeller, check_sampler
from conlst.testing.selectors import check_selector
from conlst.testing.strategies import (
    check_documented,
    check_frozen,
    check_parameters,
    check_strategy,
    check_survives_json,
)

CHECKS: list[tuple[type[Strategy], Callable[[Any], None]]] = [
    (Selector, check_selector),
    (ComplementaryLabeller, check_labeller),
    (NegativeSampler, check_sampler),
    (Augmenter, check_augmenter),
    (Translator, check_translator),
    (Loss, check_loss),
    (Criterion, check_criterion),
]


def check(strategy: Strategy) -> None:
    """Hold a strategy to everything that its kind promises.

    Raises:
        AssertionError: a promise is broken; the message says which.

    Examples:
        >>> from conlst.selectors import Fixed
        >>> check(Fixed(threshold=0.7))
    """
    check_strategy(strategy)
    check_kind(strategy)


def check_kind(strategy: Strategy) -> None:
    """Hold a strategy to the contract of its own kind.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    for kind, of_that_kind in CHECKS:
        if isinstance(strategy, kind):
            of_that_kind(strategy)


class Contract:
    """Tests to inherit: give a fixture `part`, one strategy or several.

    What a part does is held to its kind's contract; `Documented` also asks what it says of itself.

    Examples:
        >>> import pytest
        >>> from conlst.selectors import Fixed
        >>> class TestFixed(Contract):
        ...     @pytest.fixture(params=[Fixed(), Fixed(threshold=0.5)])
        ...     def part(self, request):
        ...         return request.param
    """

    def test_it_is_frozen(self, part: Strategy) -> None:
        """Nobody can change a parameter, or hide a memory in it."""
        check_frozen(part)

    def test_it_survives_json(self, part: Strategy) -> None:
        """A run folder brings back the strategy that was run."""
        check_survives_json(part)

    def test_it_keeps_the_contract_of_its_kind(self, part: Strategy) -> None:
        """What the stages rely on."""
        check_kind(part)


class Documented(Contract):
    """And for parts that others are to use: they say what they are, as conlst's own do."""

    def test_its_parameters_are_described(self, part: Strategy) -> None:
        """`conlst show` has something to show."""
        check_parameters(part)

    def test_it_is_documented(self, part: Strategy) -> None:
        """Summary, formula, shapes, paper, Raises, an example that runs."""
        check_documented(part)
