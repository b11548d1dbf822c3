"""The contracts of augmenters and translators, as checks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations

import torch

from conlst.arrays import Rows
from conlst.augment.base import Augmenter
from conlst.augment.translators.base import Translator
from conlst.testing.builders import random_points, random_tokens
from conlst.testing.tools import given, in_case


def check_augmenter(augmenter: Augmenter) -> None:
    """Branches hold plain augmenters, and each keeps the promises of its own level.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    with in_case(augmenter, "branches of 5 rows"):
        for origin, chain in given(augmenter.branches, 5):
            assert origin.dtype == torch.int64, "origin must be int64[m]"
            assert bool(((origin >= 0) & (origin < 5)).all()), "origin must point into the batch"
            assert chain, "a chain holds at least one augmenter"
            assert all(step.level != "mixed" for step in chain), "a chain holds plain augmenters"
    levels: dict[str, Callable[[Augmenter], None]] = {
        "rows": _check_rows,
        "tokens": _check_tokens,
        "states": _check_points,
        "features": _check_points,
    }
    if augmenter.level in levels:
        with in_case(augmenter, augmenter.level):
            levels[augmenter.level](augmenter)


def _check_rows(augmenter: Augmenter) -> None:
    rows = Rows(["1", "2", "3"], ["one", "two words", "three more words"], None, ["en", "sw", "th"])
    made, origin = given(augmenter.rows, rows)
    assert len(origin) == len(made), "origin needs one entry a row made"
    assert bool(((origin >= 0) & (origin < len(rows))).all()), "origin must point into the rows"


def _check_tokens(augmenter: Augmenter) -> None:
    batch = random_tokens()
    made = given(augmenter.tokens, batch)
    assert made.ids_BT.shape == batch.ids_BT.shape, "one view a row, of the same length"
    assert made.ids_BT.dtype == batch.ids_BT.dtype, "ids keep their type"
    special = batch.special_BT
    assert torch.equal(made.ids_BT[special], batch.ids_BT[special]), "special tokens were changed"
    assert torch.equal(made.attention_BT, batch.attention_BT), "attention was changed"


def _check_points(augmenter: Augmenter) -> None:
    states, source = augmenter.level == "states", "source" in augmenter.needs
    points = random_points(16, T=6 if states else 0, source=source)
    points = replace(points, values=points.values.requires_grad_())
    made = given(augmenter.states if states else augmenter.features, points)
    assert made.values.shape == points.values.shape, "shapes must stay"
    assert made.target_BC.shape == points.target_BC.shape, "shapes must stay"
    assert torch.allclose(made.target_BC.sum(1), torch.ones(16)), "targets must still sum to 1"
    (gradient,) = torch.autograd.grad(made.values.square().sum(), points.values)
    assert bool(gradient.isfinite().all()), "the gradient must be finite"
    if getattr(augmenter, "detach", False):  # it says that it cuts the gradient
        return
    reached = (gradient != 0).flatten(1).any(1)
    assert bool(reached.all()), "every row must keep its gradient"


def check_translator(translator: Translator, texts: Sequence[str] = ("one", "two words")) -> None:
    """It says what it knows without being opened, and gives a text for every text.

    Args:
        translator: what is checked; it is opened, so its model or program must be there.
        texts: what is translated, in the first pair of languages among en es fr hi ur that it
            knows both ways.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    tried = ["en", "es", "fr", "hi", "ur"]
    pair = next((p for p in permutations(tried, 2) if _both(translator, p)), None)
    assert pair, f"{translator.name} knows no two of {', '.join(tried)} both ways"
    with in_case(translator, "{} to {}".format(*pair)), translator.opened() as translate:
        made = given(partial(translate, list(texts), *pair))
        assert len(made) == len(texts), "as many texts as were given"
        assert all(isinstance(text, str) for text in made), "texts are strings"
        assert given(partial(translate, [], *pair)) == [], "no texts for no texts"
    assert not translator.knows(pair[0], "xx"), "claims to know a language that there is not"


def _both(translator: Translator, pair: tuple[str, ...]) -> bool:
    there, back = pair
    return translator.knows(there, back) and translator.knows(back, there)
