"""The contract of selectors, as a check."""

from collections.abc import Sequence
from typing import Any

import torch

from conlst.arrays import Pool, Selection, Sizes
from conlst.selectors.base import Selector
from conlst.testing.tools import equal, given, in_case, pools_for


def check_selector(selector: Selector, pool: Pool | None = None) -> None:
    """Rows ascend without repeats, targets sum to 1, weights lie in (0, 1], chance is given.

    Args:
        selector: what is checked.
        pool: a pool to check it with; by default random and edge pools that have what it needs.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    for case, one in pools_for(selector, pool).items():
        with in_case(selector, case):
            selection = given(selector, one)
            assert isinstance(selection, Selection), f"returned {type(selection).__name__}"
            K = len(selection.index)  # Selection itself checked order, sums and bounds
            inside = (selection.index >= 0) & (selection.index < len(one))
            assert bool(inside.all()), "index must point into the pool"
            assert selection.target_KC.shape == (K, len(one.classes)), "target must be float[K, C]"
            assert bool((selection.target_KC >= 0).all()), "targets must not be negative"
    if "pool" not in selector.all_needs() and pool is None:
        _check_online(selector)


def _check_online(selector: Selector) -> None:
    """What it builds takes batch after batch, and remembers in buffers alone."""
    whole = pools_for(selector, None)["random"]
    C, D = len(whole.classes), whole.features_ND.shape[1]
    sizes = Sizes(C, D, whole.languages, len(whole))

    def walk(built: Any, starts: Sequence[int]) -> list[Selection]:
        generator = torch.Generator().manual_seed(3)
        batches = [whole.take(torch.arange(start, len(whole), 4)) for start in starts]
        return [built(batch, generator=generator) for batch in batches]

    with in_case(selector, "online"):
        built = selector.build(sizes)
        first = walk(built, range(4))
        assert equal(first, walk(selector.build(sizes), range(4))), "not the same twice"
        if isinstance(built, torch.nn.Module):
            again = selector.build(sizes)
            again.load_state_dict(built.state_dict())  # type: ignore[attr-defined]
            assert equal(walk(built, range(4)), walk(again, range(4))), (
                "what it remembers is not all in its buffers"
            )
