"""Every registered strategy keeps its contract, and the checks notice when one does not."""

import json
import random
from dataclasses import replace

import pytest
import torch
from pydantic import ConfigDict, Field

from conlst.arrays import Selection
from conlst.augment import Augmenter, Masking, Mixup, OneOf
from conlst.losses import CLCS, ContrastiveNegative, Loss
from conlst.negatives import ComplementaryLabeller, NegativeSampler, Uniform
from conlst.registry import REGISTRIES
from conlst.selectors import Fixed, FlexMatch, PerLanguage, Selector, selectors
from conlst.testing import (
    check,
    check_augmenter,
    check_labeller,
    check_loss,
    check_sampler,
    check_selector,
    check_strategy,
    edge_pools,
    random_pool,
)

FIXED = {"type": "fixed"}
NEEDED = {
    "selectors.per_language": {"selector": FIXED},
    "selectors.aligned": {"selector": FIXED},
    "selectors.uncertainty": {"threshold": 0.6},
    "selectors.all_of": {"selectors": [FIXED, {"type": "flexmatch"}]},
    "selectors.soft": {"selector": FIXED},
    "selectors.partial_labels": {"selector": FIXED},
    "augmenters.one_of": {"choices": [{"type": "masking"}, {"type": "mixup"}]},
    "augmenters.union": {"choices": [{"type": "masking"}, {"type": "mixup"}]},
    "augmenters.compose": {"steps": [{"type": "masking"}, {"type": "mixup"}]},
    "augmenters.synonym": {"path": "{folder}/synonyms.json"},
    "augmenters.code_switch": {"path": "{folder}/en-{language}.tsv"},
    "augmenters.back_translation": {
        "translators": [{"type": "table", "path": "{folder}/table.jsonl"}],
        "missing": "skip",
    },
    "translators.marian": {"pairs": ["en>es", "es>en"]},
    "translators.table": {"path": "{folder}/table.jsonl"},
    "losses.weighted_sum": {"losses": [{"type": "cross_entropy"}, {"type": "negative"}]},
}
"""Parameters of those that cannot be made without."""

OPENED_ELSEWHERE = {"mbart50", "m2m100", "nllb", "marian", "apertium"}
"""Translators that need a model or a program: tests/augment/translators."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Dictionaries, and a table of translations."""
    folder = tmp_path_factory.mktemp("dictionaries")
    (folder / "synonyms.json").write_text(json.dumps({"one": ["a"], "three": ["some"]}))
    (folder / "en-sw.tsv").write_text("en\tsw\none\tmoja\n")
    known = [("en", "es", "one", "uno"), ("es", "en", "uno", "one")]
    lines = [
        json.dumps({"source": a, "target": b, "text": text, "translation": said})
        for a, b, text, said in known
    ]
    (folder / "table.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def placed(value, folder):
    """The same parameters with the folder's path in them."""
    if isinstance(value, dict):
        return {key: placed(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [placed(item, folder) for item in value]
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


VARIANTS = [
    FlexMatch(mapping="linear", warm_up=False, floor=0.5),
    FlexMatch(mapping="concave"),
    PerLanguage(selector=FlexMatch(threshold=0.7)),
    Uniform(count=3, share="anchor"),
    Uniform(empty="skip"),
    Uniform(empty="next_lowest", count=2),
    Uniform(empty="error"),
    Mixup(alpha=0.3, per_pair=True),
    OneOf(choices=[OneOf(choices=[Masking(), Mixup()]), Masking(rate=1)], weights=[1, 2]),
    ContrastiveNegative(form="literal"),
    ContrastiveNegative(form="inverse_distance"),
    ContrastiveNegative(similarity="cosine"),
    ContrastiveNegative(similarity="dot", normalize=False),
    ContrastiveNegative(similarity="neg_euclidean"),
    CLCS(sign="printed", label="true"),
    CLCS(label="all_complementary"),
]
MEMBERS = [
    (kind, cls)
    for kind, registry in sorted(REGISTRIES.items())
    for cls in registry
    if cls.__module__.startswith("conlst.")
]


@pytest.mark.parametrize(("kind", "cls"), MEMBERS, ids=lambda value: getattr(value, "name", value))
def test_every_registered_strategy_keeps_its_contract(kind, cls, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("CONLST_CACHE", str(tmp_path))
    needed = placed(NEEDED.get(f"{kind}.{cls.name}", {}), folder)
    part = REGISTRIES[kind].validate({"type": cls.name, **needed})
    if cls.name in OPENED_ELSEWHERE:
        check_strategy(part)
    else:
        check(part)


@pytest.mark.parametrize("strategy", VARIANTS, ids=repr)
def test_and_so_it_does_with_other_parameters(strategy):
    check(strategy)


def test_the_edge_pools_are_what_they_are_called():
    pools = edge_pools()
    assert not pools["nobody confident"].confident.any()
    assert pools["everyone confident"].confident.all()
    assert len(pools["a class never predicted"].pseudo_label.unique()) == 2
    assert len(pools["one row"]) == 1
    assert len(pools["two classes"].classes) == 2
    assert len(pools["all classes equal"].probs_NC.unique()) == 1


def test_a_random_pool_has_what_is_asked_for():
    pool = random_pool(10, 4, passes=3, source=5)
    assert pool.probs_PNC.shape == (3, 10, 4)
    assert pool.source.probs_SC.shape == (5, 4)
    assert random_pool().probs_PNC is random_pool().source is None


# ---- the checks notice -------------------------------------------------------------------------


def select(pool, index, soft=1.0):
    target = torch.full((len(index), len(pool.classes)), (1 - soft) / (len(pool.classes) - 1))
    target[:, 0] = soft
    return Selection(index, target, torch.ones(len(index)))


def selector(body):
    class Faulty(Selector):
        name = "faulty"
        __call__ = body

    return Faulty()


def labeller(body):
    class Faulty(ComplementaryLabeller):
        __call__ = body

    return Faulty()


def sampler(body):
    class Faulty(NegativeSampler):
        __call__ = body

    return Faulty(count=2)


def loss(body, *wanted):
    class Faulty(Loss):
        needs = frozenset(wanted)
        __call__ = body

    return Faulty()


def global_chance(self, pool, *, generator):
    return select(pool, torch.randperm(len(pool))[:1])


def python_chance(self, pool, *, generator):
    return select(pool, torch.tensor([random.randrange(len(pool))]))


def memory(self, pool, *, generator):
    calls = type(self).__dict__.get("calls", 0)
    type(self).calls = calls + 1
    return select(pool, torch.arange(len(pool))[calls % 2 :])


def vandal(self, pool, *, generator):
    pool.probs_NC[0] = 1 / len(pool.classes)
    return select(pool, torch.arange(1))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (global_chance, "elsewhere than the generator|different answers"),
        (python_chance, "elsewhere than the generator|different answers"),
        (memory, "different answers"),
        (vandal, "input was changed"),
        (lambda s, pool, *, generator: select(pool, torch.tensor([len(pool)])), "into the pool"),
        (lambda s, pool, *, generator: select(pool, torch.arange(1), 1.5), "negative"),
        (lambda s, pool, *, generator: pool.probs_PNC.mean(0), "NoneType"),  # undeclared need
        (lambda s, pool, *, generator: torch.arange(3), "returned Tensor"),
    ],
)
def test_a_selector_that_breaks_its_contract_is_found(body, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_selector(selector(body))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (lambda s, pool, *, generator: pool.probs_NC > -1, "own pseudo-label"),
        (lambda s, pool, *, generator: pool.probs_NC, "must be bool"),
        (lambda s, pool, *, generator: pool.confident, r"bool\[N, C\]"),
    ],
)
def test_a_labeller_that_breaks_its_contract_is_found(body, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_labeller(labeller(body))


def repeated(self, pool, anchors, asked, *, generator):
    return Uniform(count=1, share="anchor")(pool, anchors, asked, generator=generator).repeat(1, 2)


def itself(self, pool, anchors, asked, *, generator):
    return torch.stack([anchors, torch.full_like(anchors, -1)], 1)


def unsure(self, pool, anchors, asked, *, generator):
    rows = [
        next((n for n in range(len(pool)) if not pool.confident[n] and pool.group[n] != g), -1)
        for g in pool.group[anchors].tolist()
    ]
    return torch.tensor([[row, -1] for row in rows])


def of_any_class(self, pool, anchors, asked, *, generator):
    rows = [
        next((n for n in range(len(pool)) if pool.confident[n] and pool.group[n] != g), -1)
        for g in pool.group[anchors].tolist()
    ]
    return torch.tensor([[row, -1] for row in rows])


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (repeated, "rows repeat"),
        (itself, "own group"),
        (unsure, "must be confident"),
        (of_any_class, "must be of class"),
        (lambda s, pool, a, c, *, generator: a, r"int64\[B, K\]"),
        (lambda s, pool, a, c, *, generator: a[:, None].repeat(1, 2) + 10**6, "into the pool"),
    ],
)
def test_a_sampler_that_breaks_its_contract_is_found(body, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_sampler(sampler(body))


class Blot(Augmenter):
    level = "tokens"

    def tokens(self, batch, *, generator):
        batch.ids_BT[:, 1] = 0
        return batch


class Gradless(Augmenter):
    level = "features"

    def features(self, points, *, generator):
        with torch.no_grad():  # USB's defect
            return Mixup().features(points, generator=generator)


class Unmixed(Augmenter):
    level = "features"

    def features(self, points, *, generator):
        return replace(points, values=points.values * 2, target_BC=points.target_BC * 2)


class Everything(Augmenter):
    level = "tokens"

    def tokens(self, batch, *, generator):
        return type(batch)(batch.ids_BT * 0 + 4, *list(vars(batch).values())[1:])


@pytest.mark.parametrize(
    ("augmenter", "complaint"),
    [
        (Blot(), "input was changed"),
        (Gradless(), "grad"),
        (Unmixed(), "sum to 1"),
        (Everything(), "special tokens"),
    ],
)
def test_an_augmenter_that_breaks_its_contract_is_found(augmenter, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_augmenter(augmenter)


@pytest.mark.parametrize(
    ("faulty", "complaint"),
    [
        (loss(lambda s, x: x.logits.sum(1).mean(), "target"), r"float\[B\]"),
        (loss(lambda s, x: x.logits.sum(1) / 0), "finite"),
        (loss(lambda s, x: x.logits.sum(1).detach()), "grad"),
        (loss(lambda s, x: (x.logits - x.logits.mean(0)).square().sum(1)), "depends on other rows"),
        (loss(lambda s, x: (x.logits * x.target).sum(1)), "NoneType"),  # undeclared need
        (loss(lambda s, x: x.logits.sum(1) * 0, "target"), "all gradients are zero"),
        (loss(lambda s, x: x.logits.argmax(1)), "must be float"),
    ],
)
def test_a_loss_that_breaks_its_contract_is_found(faulty, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_loss(faulty)


def test_a_loss_that_compares_rows_may_say_so():
    check_loss(loss(lambda s, x: (x.logits - x.logits.mean(0)).square().sum(1)), independent=False)


class Bare(Selector):
    """No formula, no paper."""

    name = "fixed"
    __call__ = Fixed.__call__
    threshold: float = Field(0.5, description="least confidence")


class Thawed(Fixed):
    __doc__ = Fixed.__doc__
    model_config = ConfigDict(frozen=False)


def test_what_a_strategy_must_say_of_itself_is_asked_for(monkeypatch):
    monkeypatch.setitem(selectors._members, "fixed", Bare)
    with pytest.raises(AssertionError) as caught:
        check_strategy(Bare())
    for part in ("formula", "shapes", "paper", "Raises", "example"):
        assert part in str(caught.value)


def test_a_strategy_that_can_be_changed_is_found():
    with pytest.raises(AssertionError, match="must be frozen"):
        check_strategy(Thawed())


def test_a_strategy_without_a_name_is_told_to_register():
    class Nameless(Selector):
        __call__ = Fixed.__call__

    with pytest.raises(AssertionError, match=r"@selectors\.register"):
        check_strategy(Nameless())
