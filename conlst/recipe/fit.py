"""What no single section can see: parts that need what the others do not give them."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Literal

from conlst.augment import Augmenter
from conlst.errors import allowed
from conlst.losses import Loss
from conlst.losses.base import COMPARED, readout_of
from conlst.recipe.sections import ContrastiveStage, Recipe, SelfTrainingStage
from conlst.recipe.translating import labelled_languages, untranslated
from conlst.registry import Strategy

Slot = tuple[str, Strategy | None, set[str]]
"""JSON path, what stands there, and what it is given beyond its contract."""

LABELLED = {"target", "features", "language", "progress"}
"""What a loss is given of rows with a label, or a pseudo-label."""
POOLED = {"pool", "passes", "source"}
"""What a selector of a whole pool is given."""


def misfits(recipe: Recipe) -> list[str]:
    """Each part that is not given what it needs, with its path in the recipe."""
    faults = _nothing_to_adapt_to(recipe)
    installed = {"neighbours"} if find_spec("faiss") else set()
    for path, part, given in _slots(recipe):
        faults += _missing(path, part, given | installed)
    faults += _nothing_to_compare(recipe) + _unused_negatives(recipe) + _unknown_languages(recipe)
    faults += _no_such_start(recipe) + _readouts(recipe) + untranslated(recipe)
    return faults + [
        f"{path}: {fault}"
        for path, augment, languages in augmented(recipe)
        for fault in augment.misfits(languages)
    ]


def run_languages(recipe: Recipe) -> tuple[str, ...]:
    """Those of labelled rows, the source's first, and those adapted to: what `language` counts."""
    return tuple(dict.fromkeys([*labelled_languages(recipe), *recipe.adapted()]))


def augmented(recipe: Recipe) -> Iterator[tuple[str, Augmenter, tuple[str, ...]]]:
    """(JSON path, augmenter, languages it will be shown) of every augmenter."""
    if recipe.source.augment and not recipe.source.checkpoint:
        yield "source.augment", recipe.source.augment, labelled_languages(recipe)
    if recipe.self_training and recipe.self_training.augment:
        yield "self_training.augment", recipe.self_training.augment, tuple(recipe.adapted())


def parts_of(recipe: Recipe) -> Iterator[tuple[str, Strategy]]:
    """(JSON path of its slot, strategy) of every strategy, those inside others too."""
    for path, slot, _ in _slots(recipe):
        yield from ((path, part) for part in (slot.walk() if slot else ()))
    for translator in recipe.data.translate.translators if recipe.data.translate else ():
        yield from (("data.translate.translators", part) for part in translator.walk())


def readout(recipe: Recipe) -> Loss | None:
    """The loss that says how logits become probabilities in this run; None: softmax."""
    return readout_of(recipe.source.loss)


def _slots(recipe: Recipe) -> Iterator[Slot]:
    several = recipe.data.adapt == "joint" and len(recipe.adapted()) > 1
    languages = {"languages"} if several else set()
    yield "source.augment", recipe.source.augment, set()
    yield "source.loss", recipe.source.loss, LABELLED | COMPARED | languages
    if recipe.contrastive:
        yield from _contrastive(recipe.contrastive, languages)
    if recipe.self_training:
        yield from _self_training(recipe.self_training, languages)


def _contrastive(stage: ContrastiveStage, languages: set[str]) -> Iterator[Slot]:
    drawn = {"negatives"} if stage.negatives else set()
    of_pool = LABELLED | languages | {"complement"}
    yield "contrastive.confident", stage.confident, POOLED
    yield "contrastive.complement", stage.complement, {"passes"}
    yield "contrastive.negatives", stage.negatives, languages
    yield "contrastive.loss", stage.loss, of_pool | {"confident", "views"} | drawn
    yield "contrastive.source_loss", stage.source_loss, of_pool


def _self_training(loop: SelfTrainingStage, languages: set[str]) -> Iterator[Slot]:
    given = POOLED - {"pool"} if loop.mode == "online" else POOLED
    yield "self_training.selector", loop.selector, given
    yield "self_training.augment", loop.augment, {"source"} | languages
    yield "self_training.loss", loop.loss, LABELLED | COMPARED | languages
    yield "self_training.source_loss", loop.source_loss, LABELLED | languages
    yield "self_training.stop", loop.stop, {"source", "history"}


def _missing(path: str, part: Strategy | None, given: set[str]) -> list[str]:
    needs = part.all_needs() if part else frozenset()
    return [
        f"{path}: {part.name!r} needs {WORDS.get(need, need)}, which is not given here; "
        f"given: {', '.join(sorted(given - {'neighbours'})) or 'nothing beyond its contract'}"
        for need in sorted(needs - given)
        if part
    ]


WORDS = {
    "neighbours": "faiss (pip install 'conlst[cpu]', or conlst[gpu] for its GPU build)",
    "pool": "the whole pool at once (self_training.mode: offline)",
    "languages": "several adapted languages in one model (data.adapt: joint)",
    "negatives": "negatives (a sampler in contrastive.negatives)",
}
"""Needs that are better said in other words."""


def _nothing_to_compare(recipe: Recipe) -> list[str]:
    """Losses that hold strong views against the rows they were made of, where none are made."""
    loop = recipe.self_training
    pairs = [("source", recipe.source.loss, recipe.source.augment)]
    pairs += [("self_training", loop.loss, loop.augment)] if loop else []
    return [
        f"{stage}.loss: {loss.name!r} compares rows with their strong views; found "
        f"{stage}.augment null; allowed: any augmenter"
        for stage, loss, augment in pairs
        if COMPARED & loss.all_needs() and augment is None
    ]


def _unused_negatives(recipe: Recipe) -> list[str]:
    stage = recipe.contrastive
    if stage is None or stage.negatives is None or "negatives" in stage.loss.all_needs():
        return []
    loss = stage.loss.name
    return [f"contrastive.negatives: the loss {loss!r} uses no negatives; allowed: null"]


def _unknown_languages(recipe: Recipe) -> list[str]:
    """Weights of languages that no negative can come from."""
    sampler = recipe.contrastive and recipe.contrastive.negatives
    if not sampler or not isinstance(sampler.languages, dict):
        return []
    return [
        f"contrastive.negatives.languages: no rows to adapt to in {code!r}; "
        + allowed(code, recipe.adapted())
        for code in sampler.languages
        if code not in recipe.adapted()
    ]


def _no_such_start(recipe: Recipe) -> list[str]:
    loop = recipe.self_training
    if loop is None or loop.reinit != "contrastive" or recipe.contrastive:
        return []
    return [
        "self_training.reinit: 'contrastive', but there is no such stage; "
        "allowed: continue, pretrained, source"
    ]


def _readouts(recipe: Recipe) -> list[str]:
    """Losses that train the classifier on labels must read its logits in one way."""
    loop, mine = recipe.self_training, readout_of(recipe.source.loss)
    if loop is None:
        return []
    both: list[tuple[Literal["loss", "source_loss"], Loss | None]] = [
        ("loss", loop.loss),
        ("source_loss", loop.source_loss),
    ]
    return [
        f"self_training.{name}: {loss.name!r} reads probabilities off the logits otherwise than "
        f"source.loss, {recipe.source.loss.name!r}; allowed: the same in both, parameters included"
        for name, loss in both
        if loss and readout_of(loss) != mine
    ]


def _nothing_to_adapt_to(recipe: Recipe) -> list[str]:
    if recipe.adapted() or not (recipe.contrastive or recipe.self_training):
        return []
    return ["data.targets: no target has unlabelled rows, so there is nothing to adapt to"]
