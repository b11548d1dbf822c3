"""The bench a run works at: model, texts, folder, and where the weights are from right now."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from conlst import processes
from conlst.arrays import Pool, SourceView, Tokens
from conlst.augment import Augmenter
from conlst.folder import RunFolder
from conlst.inside import check_layers
from conlst.labels import labelled_once
from conlst.model import Classifier, load
from conlst.predict import Labelled, label, stochastic_passes
from conlst.progress import Progress
from conlst.recipe import Recipe, augmented, readout, run_languages
from conlst.registry import Strategy
from conlst.snapshot import Snapshot
from conlst.stages.material import Source, Target, source_of, target_of
from conlst.stages.views import looks_of
from conlst.texts import Texts
from conlst.token_cache import TokenCache
from conlst.tokens import joined
from conlst.train import Tools, generator_for
from conlst.vocabulary import new_texts, occurring

SOURCE = "checkpoints/source"
"""Where the source stage is kept, in the run folder."""
PRETRAINED = "pretrained"
"""Stands for the weights that no stage has touched."""
WATCHED_ROWS = 1000
"""Source rows (of the dev set, or else of the training rows) on which a collapse is watched for."""


@dataclass
class Bench:
    """What the stages of one run share."""

    recipe: Recipe
    folder: RunFolder
    progress: Progress
    accelerator: Accelerator
    model: Classifier
    texts: Texts
    source: Source
    watched: tuple[Tokens, Tensor]
    """Source rows with their labels, on which a collapse shows."""
    pools: dict[str, Tokens]
    tests: dict[str, Tokens]
    tokenise: TokenCache
    logged: int = 0
    """Steps that trackers were told of: theirs must not run backwards from stage to stage."""
    weights: str = PRETRAINED
    """Whose weights the model holds: a stage's folder in the run folder, or `PRETRAINED`."""
    seen: dict[tuple[str, str], Labelled] = field(default_factory=dict)
    """Passes over the pool of a language, by the weights that made them: none is made twice."""
    shared: Path | None = None
    """Where runs keep the stages that they have in common; None: nothing is shared."""
    shared_as: dict[str, str] = field(default_factory=dict)
    """Under which key the weights of a stage's folder are kept there, if they are."""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.source.classes

    def tools(self, folder: str, name: str) -> Tools:
        """Device, voice and the chance that belongs to the stage of that name."""
        generator = generator_for(self.recipe.seed, *filter(None, (folder, name)))
        return Tools(
            self.accelerator,
            generator,
            self.progress,
            f"{folder}{name}",
            self.logged,
            lambda: self.occurring(folder, name),
            self.snapshot(f"checkpoints/{folder}{name}"),
        )

    def snapshot(self, place: str) -> Snapshot:
        """Where the stage that will be kept at `place` is put aside while it trains."""
        return Snapshot(self.folder, place, self.progress)

    def occurring(self, folder: str, name: str) -> Tensor | None:
        """bool[V]: the token ids that a stage can meet while it trains; None: it cannot be said.

        Test texts are not among them, so that no last digit of a model depends on them.
        """
        languages = [folder.rstrip("/")] if folder else self.recipe.adapted()
        augment, rows, tables = self.recipe.source.augment, self.texts.source.rows, []
        if name != "source":
            loop = self.recipe.self_training
            augment = loop.augment if loop and name != "contrastive" else None
            rows, tables = (
                self.texts.unlabelled(languages),
                [self.pools[code] for code in languages],
            )
        if (made := new_texts(augment, rows)) is None:
            return None
        tables += [self.source.tokens, *map(self.tokenise, made)]
        embedding: Any = self.model.network.get_input_embeddings()
        return occurring(tables, self.model.tokenizer, embedding.num_embeddings)

    def go_to(self, place: str) -> None:
        """Put the weights of a finished stage, or the pretrained ones, into the model."""
        if place == self.weights:
            return
        if place == PRETRAINED:
            fresh = untrained(self.recipe, self.classes, self.accelerator)
            self.model.take_parts(None)
            self.model.load_state_dict(fresh.state_dict())
        else:
            self.model.restore(self.folder.path / place)
        self.weights = place

    def trained_to(self, place: str, shared: str | None = None) -> None:
        """Say that the model now holds the weights of the stage that will be kept at `place`.

        Passes of stages before it are let go, except the source's, with which all are compared.

        Args:
            place: in the run folder.
            shared: the key under which runs share them; None: they are this run's alone.
        """
        self.weights = place
        if shared:
            self.shared_as[place] = shared
        self.seen = {key: out for key, out in self.seen.items() if key[0] == SOURCE}

    def label_pools(self, languages: list[str], place: str) -> Labelled:
        """The pools of `languages`, one after another, as the weights at `place` see them."""
        for code in languages:
            if (place, code) not in self.seen:
                self.go_to(place)
                self.seen[place, code] = self.label(self.pools[code], f"labelling the pool: {code}")
        return together([self.seen[place, code] for code in languages])

    def label_tests(self, languages: list[str]) -> Labelled:
        """The test texts of `languages`, one after another."""
        return together(
            [
                self.label(self.tests[code], f"predicting the test rows: {code}")
                for code in languages
            ]
        )

    def label(self, tokens: Tokens, what: str) -> Labelled:
        """One pass over some rows, unless another run made it with the very same weights."""

        def said() -> Labelled:
            return label(self.model, tokens, self.progress, what)

        key = self.shared_as.get(self.weights)
        if self.shared is None or key is None or processes.many() > 1:  # they label in shares
            return said()
        return labelled_once(self.shared / key / "labels", tokens, said)

    def source_accuracy(self) -> float:
        """Accuracy on the watched source rows."""
        tokens, gold = self.watched
        said = self.label(tokens, "labelling source rows").logits_NC.argmax(1)
        return float((said == gold).double().mean())

    def target(self, languages: list[str]) -> Target:
        """The pools of `languages` as one target."""
        tokens = joined([self.pools[code] for code in languages])
        return target_of(self.texts.unlabelled(languages), tokens, self.model.sizes.languages)

    def pool(
        self, target: Target, languages: list[str], place: str, parts: Iterable[Strategy | None]
    ) -> Pool:
        """A target as the weights at `place` see it, with all that the parts of a stage need."""
        pool = target.pool(self.classes, self.label_pools(languages, place))
        used = [part for part in parts if part]
        if any("source" in part.all_needs() for part in used):
            pool = replace(pool, source=self.source_view(place))
        if many := max((part.passes_needed() for part in used), default=0):
            pool = replace(pool, probs_PNC=self.passes(target, place, many))
        return pool

    def source_view(self, place: str) -> SourceView:
        """The watched source rows as the weights at `place` see them."""
        self.go_to(place)
        tokens, gold = self.watched
        said = self.label(tokens, "labelling source rows")
        return SourceView(said.probs_NC, said.features_ND, gold)

    def passes(self, target: Target, place: str, many: int) -> Tensor:
        """Probabilities under `many` dropout masks, float[P, N, C]."""
        self.go_to(place)
        generator = generator_for(self.recipe.seed, "passes", place)
        what = "labelling the pool"
        return stochastic_passes(
            self.model, target.tokens, many, self.progress, what, generator=generator
        )


def together(parts: list[Labelled]) -> Labelled:
    """Several passes as one, in that order."""
    return Labelled(
        torch.cat([part.logits_NC for part in parts]),
        torch.cat([part.probs_NC for part in parts]),
        torch.cat([part.features_ND for part in parts]),
    )


def untrained(recipe: Recipe, classes: tuple[str, ...], computer: Accelerator) -> Classifier:
    """The pretrained encoder with new heads, the same at every call of a run."""
    generator_for(recipe.seed, "model")
    model = load(recipe.model, classes, languages=run_languages(recipe), autocast=computer.autocast)
    model.readout = readout(recipe)
    return model.to(computer.device)


def bench(
    recipe: Recipe, folder: RunFolder, progress: Progress, texts: Texts, computer: Accelerator
) -> Bench:
    """Load the model and turn all texts into tokens, once."""
    classes = texts.source.classes
    model = untrained(recipe, classes, computer)
    _refuse_missing_layers(recipe, model)
    progress.say("tokenising")
    tokenise = TokenCache(model.tokenizer, model.max_length)
    labelled = texts.dev or texts.source
    order = torch.randperm(len(labelled.rows), generator=generator_for(recipe.seed, "watched"))
    some = order[:WATCHED_ROWS].sort().values  # a file may be sorted by label
    return Bench(
        recipe,
        folder,
        progress,
        computer,
        model,
        texts,
        source_of(texts.source, tokenise(texts.source.rows), run_languages(recipe)),
        (tokenise(labelled.rows).take(some), labelled.label[some]),
        {code: tokenise(rows) for code, rows in texts.pools.items()},
        {code: tokenise(rows) for code, rows in texts.tests.items()},
        tokenise,
    )


def _refuse_missing_layers(recipe: Recipe, model: Classifier) -> None:
    """Parts that work inside the encoder name layers, which only now can be counted."""
    changed = {
        f"{path} ({part.name})": part.at_layer
        for path, augmenter, _ in augmented(recipe)
        for part in augmenter.walk()
        if isinstance(part, Augmenter) and part.level == "states"
    }
    check_layers(model.network, changed, last=0)
    losses = {"source.loss": recipe.source.loss}
    if recipe.self_training:
        losses["self_training.loss"] = recipe.self_training.loss
    for path, loss in losses.items():
        looked_at = {f"{path} ({loss.name})": layer for layer in looks_of(loss).attention}
        check_layers(model.network, looked_at, last=-1)


def environment(computer: Accelerator) -> dict[str, Any]:
    """What a result depends on beside the recipe and the data."""
    names = ["conlst", "torch", "transformers", "accelerate", "datasets", "pyarrow", "pydantic"]
    return {
        "versions": {name: version(name) for name in names} | {"python": platform.python_version()},
        "platform": platform.platform(),
        "device": device_name(computer.device),
        "precision": computer.mixed_precision,
        "threads": torch.get_num_threads(),
        **({"processes": many} if (many := processes.many()) > 1 else {}),
    }


def device_name(device: torch.device) -> str:
    """`cpu`, or which card: two kinds of them differ in the last digits."""
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"
