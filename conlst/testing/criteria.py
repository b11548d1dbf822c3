"""The contract of criteria, as a check."""

import torch

from conlst.arrays import Pool
from conlst.criteria.base import Criterion
from conlst.testing.builders import random_pool
from conlst.testing.tools import in_case, pools_for


def check_criterion(criterion: Criterion, pool: Pool | None = None) -> None:
    """A number from what is given, without chance, and a verdict on any series of numbers.

    Args:
        criterion: what is checked.
        pool: a pool to check it with; by default random and edge pools that have what it needs.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    for case, one in pools_for(criterion, pool).items():
        with in_case(criterion, case):
            before = random_pool(len(one), len(one.classes), seed=1)
            for earlier in (None, before):
                state = torch.get_rng_state()
                value = criterion(one, before=earlier, source_accuracy=0.7)
                assert isinstance(value, float), f"must be float, is {type(value).__name__}"
                again = criterion(one, before=earlier, source_accuracy=0.7)
                assert value == again or (value != value and again != again), "not the same twice"
                assert torch.equal(torch.get_rng_state(), state), "takes chance from elsewhere"
    for values in ([], [0.5], [0.5, 0.6], [0.6, 0.5], [float("nan"), 0.1]):
        verdict = criterion.verdict(values)
        assert verdict in ("go on", "keep", "roll back"), f"no verdict: {verdict!r}"
