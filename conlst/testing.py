"""The contracts as checks that anyone's strategies can be held to.

A strategy of your own is tested in one line for each set of parameters:

    from conlst.testing import check

    def test_it_keeps_the_contract():
        check(MySelector(margin=0.2))

`check` does what fits the kind: `check_selector`, `check_labeller`, `check_sampler`,
`check_augmenter` or `check_loss`, after `check_strategy`, which holds for all. Each raises an
AssertionError that says what was promised. The builders (`random_pool`, `pool_of`, `edge_pools`,
`random_tokens`, `random_loss_input`) make the inputs they use.
"""

import copy
import inspect
import json
import random
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy
import torch
from pydantic import ValidationError
from torch import Tensor

from conlst.arrays import LossInput, Pool, Rows, Selection, SourceView, TokenBatch
from conlst.augment.base import Augmenter
from conlst.errors import BadInput, ConlstWarning
from conlst.losses.base import Loss
from conlst.negatives.base import ComplementaryLabeller, NegativeSampler
from conlst.registry import REGISTRIES, Registry, Strategy
from conlst.selectors.base import Selector

R = TypeVar("R")

__all__ = [
    "check",
    "check_augmenter",
    "check_labeller",
    "check_loss",
    "check_sampler",
    "check_selector",
    "check_strategy",
    "edge_pools",
    "pool_of",
    "random_loss_input",
    "random_pool",
    "random_tokens",
]


# ---- builders ----------------------------------------------------------------------------------


def pool_of(
    probs: Sequence[Sequence[float]] | Tensor,
    *,
    languages: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
    confident: Sequence[bool] | Tensor | None = None,
    **others: Any,
) -> Pool:
    """Build a pool from its probabilities; the classes are named a, b, c, ...

    Args:
        probs: float[N, C], rows sum to 1.
        languages: of each row; all "sw" by default.
        groups: of each row; each row alone by default.
        confident: of each row; undecided by default.
        **others: further fields of `Pool`.

    Examples:
        >>> pool_of([[0.9, 0.1], [0.2, 0.8]]).pseudo_label
        tensor([0, 1])
    """
    probs_NC = torch.as_tensor(probs)
    N, C = probs_NC.shape
    named = list(languages or ["sw"] * N)
    known = sorted(set(named))
    given: dict[str, Any] = {
        "classes": tuple(chr(ord("a") + c) for c in range(C)),
        "ids": [str(n) for n in range(N)],
        "languages": tuple(known),
        "language": torch.tensor([known.index(name) for name in named], dtype=torch.int64),
        "group": torch.arange(N) if groups is None else torch.tensor(groups, dtype=torch.int64),
        "logits_NC": probs_NC.clamp(min=1e-9).log(),
        "probs_NC": probs_NC,
        "features_ND": torch.zeros(N, 1),
        "confident": None if confident is None else torch.as_tensor(confident, dtype=torch.bool),
    }
    return Pool(**(given | others))


def random_pool(
    N: int = 48,
    C: int = 3,
    D: int = 8,
    *,
    seed: int = 0,
    languages: Sequence[str] = ("sw", "th"),
    gamma: float = 0.6,
    passes: int = 0,
    source: int = 0,
) -> Pool:
    """Build a pool of parallel rows: each text once in every language, as one group.

    Args:
        N: rows.
        C: classes.
        D: features.
        seed: of everything that is drawn.
        languages: rows take turns in them.
        gamma: rows of at least that confidence are the confident ones.
        passes: stochastic passes, for a strategy that needs them; 0 for none.
        source: labelled source rows, for a strategy that needs them; 0 for none.

    Examples:
        >>> len(random_pool(6)), random_pool(6).group.tolist()
        (6, [0, 0, 1, 1, 2, 2])
    """
    generator = torch.Generator().manual_seed(seed)

    def logits(*shape: int) -> Tensor:
        return 1.5 * torch.randn(*shape, C, generator=generator)

    def view(S: int) -> SourceView:
        features = torch.randn(S, D, generator=generator)
        return SourceView(logits(S).softmax(1), features, torch.arange(S) % C)

    logits_NC = logits(N)
    probs_NC = logits_NC.softmax(1)
    return pool_of(
        probs_NC,
        languages=[languages[n % len(languages)] for n in range(N)],
        groups=[n // len(languages) for n in range(N)],
        confident=probs_NC.amax(1) >= gamma,
        logits_NC=logits_NC,
        features_ND=torch.randn(N, D, generator=generator),
        probs_PNC=(logits_NC + 0.3 * logits(passes, N)).softmax(2) if passes else None,
        source=view(source) if source else None,
        round=1,
    )


def edge_pools(*, passes: int = 0, source: int = 0) -> dict[str, Pool]:
    """Build the pools that strategies stumble over, by what is special in them.

    Examples:
        >>> list(edge_pools())
        ['nobody confident', 'everyone confident', 'a class never predicted', 'one row', \
'two classes', 'all classes equal']
    """

    def pool(N: int = 24, C: int = 3, **how: Any) -> Pool:
        return random_pool(N, C, passes=passes, source=source, **how)

    def with_logits(base: Pool, logits_NC: Tensor) -> Pool:
        probs_NC = logits_NC.softmax(1)
        return replace(base, logits_NC=logits_NC, probs_NC=probs_NC)

    never = pool()
    return {
        "nobody confident": pool(gamma=1.1),
        "everyone confident": pool(gamma=0.0),
        "a class never predicted": with_logits(never, never.logits_NC - torch.tensor([0, 0, 9.0])),
        "one row": pool(1),
        "two classes": pool(C=2),
        "all classes equal": with_logits(pool(), torch.zeros(24, 3)),
    }


def random_tokens(B: int = 6, T: int = 12, *, seed: int = 0, mask_id: int | None = 4) -> TokenBatch:
    """Build a batch of rows of different lengths: class token 0, ordinary 10 to 19, separator 2.

    Examples:
        >>> random_tokens(2, 6).attention_BT.tolist()
        [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]
    """
    ids_BT = torch.randint(10, 20, (B, T), generator=torch.Generator().manual_seed(seed))
    end_B1 = (T - 1 - torch.arange(B) % max(T - 2, 1))[:, None]
    place_T = torch.arange(T)
    attention_BT = (place_T <= end_B1).long()
    ids_BT[:, 0] = 0
    ids_BT = ids_BT.where(place_T < end_B1, 2).where(attention_BT == 1, 1)
    special_BT = (place_T == 0) | (place_T >= end_B1)
    return TokenBatch(ids_BT, attention_BT, torch.zeros_like(ids_BT), special_BT, mask_id)


def random_loss_input(
    B: int = 6,
    C: int = 3,
    D: int = 5,
    M: int = 7,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> LossInput:
    """Build an input with every field filled; the last anchor has no negatives.

    Examples:
        >>> random_loss_input(2).negative_mask.any(1).tolist()
        [True, False]
    """
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    label_B = torch.randint(C, (B,), generator=generator)
    other_B = (label_B + torch.randint(1, C, (B,), generator=generator)) % C
    classes_C = torch.arange(C)
    return LossInput(
        logits=randn(B, C),
        target=(classes_C == label_B[:, None]).to(dtype),
        complement=classes_C == other_B[:, None],
        anchor=randn(B, D),
        positive=randn(B, D),
        negatives=randn(M, D),
        negative_mask=(torch.rand(B, M, generator=generator) < 0.7)
        & (torch.arange(B) < B - 1)[:, None],
        language=torch.arange(B) % 2,
    )


# ---- what holds for every strategy -------------------------------------------------------------


def check(strategy: Strategy) -> None:
    """Hold a strategy to everything that its kind promises.

    Raises:
        AssertionError: a promise is broken; the message says which.

    Examples:
        >>> from conlst.selectors import Fixed
        >>> check(Fixed(threshold=0.7))
    """
    check_strategy(strategy)
    checks: list[tuple[type[Strategy], Callable[[Any], None]]] = [
        (Selector, check_selector),
        (ComplementaryLabeller, check_labeller),
        (NegativeSampler, check_sampler),
        (Augmenter, check_augmenter),
        (Loss, check_loss),
    ]
    for kind, of_that_kind in checks:
        if isinstance(strategy, kind):
            of_that_kind(strategy)


def check_strategy(strategy: Strategy) -> None:
    """It is frozen, survives JSON, and its docstring and parameters say what they are.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    cls = type(strategy)
    _check_frozen(strategy)
    registry = _registry_of(strategy)
    assert strategy.name, f"{cls.__name__} has no name: register it with @{registry.kind}.register"
    dumped = json.loads(json.dumps(strategy.model_dump()))
    assert registry.validate(dumped) == strategy, f"{dumped} does not bring {strategy!r} back"
    for name, field in cls.model_fields.items():
        assert field.description, f"{cls.__name__}.{name} has no description"
    missing = _missing_from_docstring(cls)
    assert not missing, f"the docstring of {cls.__name__} lacks {', '.join(missing)}"


def _check_frozen(strategy: Strategy) -> None:
    for name in [*type(strategy).model_fields, "memory"]:
        try:
            setattr(strategy, name, None)
        except (ValidationError, ValueError):
            continue
        raise AssertionError(f"{type(strategy).__name__}.{name} can be set: it must be frozen")


def _registry_of(strategy: Strategy) -> Registry[Any]:
    found = [r for r in REGISTRIES.values() if isinstance(strategy, r.base)]
    assert found, f"{type(strategy).__name__} extends no kind's contract"
    return found[0]


def _missing_from_docstring(cls: type) -> list[str]:
    text = inspect.cleandoc(vars(cls).get("__doc__") or "")
    prose = text.partition("Raises:")[0]
    wanted = {
        "a one-line summary": re.match(r"[^\n]+\.(\n\n|$)", text),
        "an indented formula": re.search(r"^ {4}\S.* (=|~|<=|>=|in) \S", prose, re.M),
        "shapes such as float[N, C]": re.search(r"(float|int64|bool)\[\w+(, ?\w+)*\]", prose),
        "a paper with its year": re.search(r"\b(19|20)\d\d\b", prose),
        "a Raises section": re.search(r"^Raises:$", text, re.M),
        "an example that runs (>>>)": ">>> " in text,
    }
    return [what for what, there in wanted.items() if not there]


# ---- one check a kind --------------------------------------------------------------------------


def check_selector(selector: Selector, pool: Pool | None = None) -> None:
    """Rows ascend without repeats, targets sum to 1, weights lie in (0, 1], chance is given.

    Args:
        selector: what is checked.
        pool: a pool to check it with; by default random and edge pools that have what it needs.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    for case, one in _pools(selector, pool).items():
        with _in_case(selector, case):
            selection = _given(selector, one)
            assert isinstance(selection, Selection), f"returned {type(selection).__name__}"
            K = len(selection.index)  # Selection itself checked order, sums and bounds
            inside = (selection.index >= 0) & (selection.index < len(one))
            assert bool(inside.all()), "index must point into the pool"
            assert selection.target_KC.shape == (K, len(one.classes)), "target must be float[K, C]"
            assert bool((selection.target_KC >= 0).all()), "targets must not be negative"


def check_labeller(labeller: ComplementaryLabeller, pool: Pool | None = None) -> None:
    """The answer is bool[N, C] and never holds a row's own pseudo-label.

    Args:
        labeller: what is checked.
        pool: a pool to check it with; by default random and edge pools.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    for case, one in _pools(labeller, pool).items():
        with _in_case(labeller, case):
            complement_NC = _given(labeller, one)
            assert complement_NC.dtype == torch.bool, f"must be bool, is {complement_NC.dtype}"
            assert complement_NC.shape == one.probs_NC.shape, "must be bool[N, C]"
            own = complement_NC.gather(1, one.pseudo_label[:, None])
            assert not bool(own.any()), "a row's own pseudo-label is among its complementary labels"


def check_sampler(sampler: NegativeSampler, pool: Pool | None = None) -> None:
    """Rows are confident, of the asked class, not the anchor's translations, and do not repeat.

    Classes without any confident row are asked for only in the edge pools, where the answer may be
    anything but the anchor's own group or a repeat, or a BadInput.

    Args:
        sampler: what is checked.
        pool: a pool to check it with; by default random and edge pools.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    for case, one in _pools(sampler, pool).items():
        with _in_case(sampler, case):
            anchors_B = torch.arange(len(one))
            complement_B = (one.pseudo_label + 1) % len(one.classes)
            for call in (sampler, sampler.draw):
                try:
                    rows_BK = _given(call, one, anchors_B, complement_B)
                except BadInput:
                    lists = one.confident_by_class[1].diff()
                    assert bool((lists[complement_B] == 0).any()), "refused a pool that has all"
                    continue
                _check_negatives(sampler, one, complement_B, rows_BK)


def _check_negatives(
    sampler: NegativeSampler, pool: Pool, complement_B: Tensor, rows_BK: Tensor
) -> None:
    assert rows_BK.dtype == torch.int64, f"must be int64, is {rows_BK.dtype}"
    assert rows_BK.shape == (len(pool), sampler.count), "must be int64[B, K], K = count"
    assert bool(((rows_BK >= -1) & (rows_BK < len(pool))).all()), (
        "must point into the pool, or be -1"
    )
    lists, confident = pool.confident_by_class[1].diff().tolist(), pool.confident
    assert confident is not None
    for anchor, (asked, row) in enumerate(zip(complement_B.tolist(), rows_BK, strict=True)):
        drawn = row[row >= 0]
        assert len(drawn.unique()) == len(drawn), f"anchor {anchor}: rows repeat"
        own = pool.group[drawn] == pool.group[anchor]
        assert not bool(own.any()), f"anchor {anchor}: a row of its own group is no negative"
        if lists[asked]:
            assert bool(confident[drawn].all()), f"anchor {anchor}: rows must be confident"
            label = pool.pseudo_label[drawn]
            assert bool((label == asked).all()), f"anchor {anchor}: rows must be of class {asked}"


def check_augmenter(augmenter: Augmenter) -> None:
    """Branches hold plain augmenters, and each keeps the promises of its own level.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    with _in_case(augmenter, "branches of 5 rows"):
        for origin, chain in _given(augmenter.branches, 5):
            assert origin.dtype == torch.int64, "origin must be int64[m]"
            assert bool(((origin >= 0) & (origin < 5)).all()), "origin must point into the batch"
            assert chain, "a chain holds at least one augmenter"
            assert all(step.level != "mixed" for step in chain), "a chain holds plain augmenters"
    levels: dict[str, Callable[[Augmenter], None]] = {
        "rows": _check_rows,
        "tokens": _check_tokens,
        "features": _check_features,
    }
    if augmenter.level in levels:
        with _in_case(augmenter, augmenter.level):
            levels[augmenter.level](augmenter)


def _check_rows(augmenter: Augmenter) -> None:
    rows = Rows(["1", "2", "3"], ["one", "two words", "three more words"], None, ["en", "sw", "th"])
    made, origin = _given(augmenter.rows, rows)
    assert len(origin) == len(made), "origin needs one entry a row made"
    assert bool(((origin >= 0) & (origin < len(rows))).all()), "origin must point into the rows"


def _check_tokens(augmenter: Augmenter) -> None:
    batch = random_tokens()
    made = _given(augmenter.tokens, batch)
    assert made.ids_BT.shape == batch.ids_BT.shape, "one view a row, of the same length"
    assert made.ids_BT.dtype == batch.ids_BT.dtype, "ids keep their type"
    special = batch.special_BT
    assert torch.equal(made.ids_BT[special], batch.ids_BT[special]), "special tokens were changed"
    assert torch.equal(made.attention_BT, batch.attention_BT), "attention was changed"


def _check_features(augmenter: Augmenter) -> None:
    x = random_loss_input(16)
    assert x.anchor is not None
    assert x.target is not None
    features = x.anchor.requires_grad_()
    made, target = _given(augmenter.features, features, x.target)
    assert (made.shape, target.shape) == (features.shape, x.target.shape), "shapes must stay"
    assert torch.allclose(target.sum(1), torch.ones(16)), "targets must still sum to 1"
    (gradient,) = torch.autograd.grad(made.square().sum(), features)
    assert bool(gradient.isfinite().all()), "the gradient must be finite"
    assert bool((gradient != 0).any(1).all()), "every row's features must keep their gradient"


def check_loss(loss: Loss, x: LossInput | None = None, *, independent: bool = True) -> None:
    """One finite value a row, with a gradient, from what it declares to need and nothing else.

    Args:
        loss: what is checked.
        x: an input to check it with; by default a random one with only the fields it needs.
        independent: whether row b must be the same without the other rows.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    x = _only_needed(loss, random_loss_input()) if x is None else x
    with _in_case(loss, "a batch of 6" if len(x.logits) == 6 else "the given input"):
        leaves: dict[str, Any] = {n: value.clone().requires_grad_() for n, value in _floats(x)}
        x = replace(x, **leaves)
        before = copy.deepcopy(x)
        loss_B = loss(x)
        assert loss_B.shape == x.logits.shape[:1], "must be float[B]: unreduced"
        assert loss_B.is_floating_point(), f"must be float, is {loss_B.dtype}"
        assert bool(loss_B.isfinite().all()), "must be finite"
        assert _equal(x, before), "the input was changed"
        assert torch.equal(loss_B, loss(x)), "must be a function of its input alone"
        _check_gradient(loss_B, x)
        if independent:
            for b in range(len(loss_B)):
                alone = loss(_row(x, b))[0]
                assert torch.allclose(alone, loss_B[b], atol=1e-5), f"row {b} depends on other rows"


def _only_needed(loss: Loss, x: LossInput) -> LossInput:
    """Drop what the loss does not declare, so that an undeclared need is an error here."""
    held = {
        "target": ["target"],
        "complement": ["complement"],
        "views": ["anchor", "positive"],
        "negatives": ["negatives", "negative_mask"],
    }
    drop = [name for need, names in held.items() if need not in loss.needs for name in names]
    without: dict[str, Any] = dict.fromkeys(drop)
    return replace(x, **without)


def _floats(x: LossInput) -> list[tuple[str, Tensor]]:
    names = ("logits", "anchor", "positive", "negatives")
    return [(name, getattr(x, name)) for name in names if getattr(x, name) is not None]


def _check_gradient(loss_B: Tensor, x: LossInput) -> None:
    inputs = [value for _, value in _floats(x)]
    gradients = torch.autograd.grad(loss_B.sum(), inputs, allow_unused=True)
    there = [gradient for gradient in gradients if gradient is not None]
    assert there, "no gradient reaches any input"
    assert all(bool(gradient.isfinite().all()) for gradient in there), "a gradient is not finite"
    assert any(bool((gradient != 0).any()) for gradient in there), "all gradients are zero"


def _row(x: LossInput, b: int) -> LossInput:
    shared = {"negatives", "extras"}
    given: dict[str, Any] = {f.name: getattr(x, f.name) for f in fields(x) if f.name not in shared}
    parts = {name: value[b : b + 1] for name, value in given.items() if value is not None}
    return replace(x, **parts, extras={name: value[b : b + 1] for name, value in x.extras.items()})


# ---- tools of the checks -----------------------------------------------------------------------


def _pools(strategy: Strategy, pool: Pool | None) -> dict[str, Pool]:
    if pool is not None:
        return {"the given pool": pool}
    # Only what is declared is there: an undeclared need is then an error here, not in a long run.
    has = {
        "passes": 4 if "passes" in strategy.needs else 0,
        "source": 12 if "source" in strategy.needs else 0,
    }
    return {"random": random_pool(**has), **edge_pools(**has)}  # type: ignore[arg-type]


@contextmanager
def _in_case(strategy: Strategy, case: str) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConlstWarning)
        try:
            yield
        except Exception as error:
            raise AssertionError(f"{strategy.name} ({case}): {error}") from error


def _given(call: Callable[..., R], *args: Any) -> R:
    """Call twice with equal generators: same answer, inputs untouched, no other chance."""
    before, chance = copy.deepcopy(args), _global_chance()
    first = call(*args, generator=torch.Generator().manual_seed(7))
    again = call(*args, generator=torch.Generator().manual_seed(7))
    assert _equal(list(args), list(before)), "an input was changed"
    assert _equal(_global_chance(), chance), "chance was taken from elsewhere than the generator"
    assert _equal(first, again), "equal generators gave different answers"
    return first


def _global_chance() -> list[Any]:
    legacy: Any = numpy.random.get_state(legacy=False)
    return [torch.get_rng_state(), random.getstate(), legacy["state"]["key"].tolist()]


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if is_dataclass(a) and type(a) is type(b):
        return all(_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return bool(a == b)
