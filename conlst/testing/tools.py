"""What the checks of every kind share."""

import copy
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy
import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.errors import ConlstWarning
from conlst.registry import Strategy
from conlst.testing.builders import edge_pools, random_pool

R = TypeVar("R")


def pools_for(strategy: Strategy, pool: Pool | None) -> dict[str, Pool]:
    """The given pool, or random and edge pools with only what the strategy declares to need.

    An undeclared need is then an error here, not in a long run.
    """
    if pool is not None:
        return {"the given pool": pool}
    needs = strategy.all_needs()
    passes, source = 4 * ("passes" in needs), 12 * ("source" in needs)
    return {
        "random": random_pool(passes=passes, source=source),
        "a later iteration": random_pool(passes=passes, source=source, rounds=2),
        **edge_pools(passes=passes, source=source),
    }


@contextmanager
def in_case(strategy: Strategy, case: str) -> Iterator[None]:
    """Say of which strategy and in which case something went wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConlstWarning)
        try:
            yield
        except Exception as error:
            raise AssertionError(f"{strategy.name} ({case}): {error}") from error


def given(call: Callable[..., R], *args: Any) -> R:
    """Call twice with equal generators: same answer, inputs untouched, no other chance."""
    before, chance = copy.deepcopy(args), _global_chance()
    first = call(*args, generator=torch.Generator().manual_seed(7))
    again = call(*args, generator=torch.Generator().manual_seed(7))
    assert equal(list(args), list(before)), "an input was changed"
    assert equal(_global_chance(), chance), "chance was taken from elsewhere than the generator"
    assert equal(first, again), "equal generators gave different answers"
    return first


def _global_chance() -> list[Any]:
    legacy: Any = numpy.random.get_state(legacy=False)
    return [torch.get_rng_state(), random.getstate(), legacy["state"]["key"].tolist()]


def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same, tensors inside them bit for bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if is_dataclass(a) and type(a) is type(b):
        return all(equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return bool(a == b)
