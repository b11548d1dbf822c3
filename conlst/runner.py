"""The order of the stages, the run folder, and taking up where a run stopped."""

import os
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from accelerate import Accelerator
from torch import Tensor

from conlst import recipe as recipes
from conlst.arrays import Pool, Tokens
from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.model import Classifier, Encoded, load, load_fine_tuned
from conlst.predict import label
from conlst.progress import Progress
from conlst.recipe import Recipe
from conlst.report import Report
from conlst.report.build import build
from conlst.report.card import card
from conlst.report.gold import check
from conlst.report.markdown import markdown
from conlst.stages import contrastive, self_training, source
from conlst.stages.collapse import symptoms
from conlst.stages.material import Source, Target, target_of
from conlst.texts import Texts, facts, read_texts
from conlst.tokens import joined
from conlst.train import Tools, accelerator, generator_for

CURVE_ROWS = 500
"""Pool rows a language that are labelled for a point of the stage-1 curve."""
WATCHED_ROWS = 1000
"""Source rows (of the dev set, or else of the training rows) on which a collapse is watched for."""


def run(
    recipe: "str | Path | Mapping[str, Any] | Recipe",
    *,
    out: "str | Path | None" = None,
    edits: Iterable[str] = (),
    progress: Progress | None = None,
) -> Report:
    """Run a recipe from source labels to adapted models and a report.

    Args:
        recipe: a path, the name of a packaged recipe, a dict, or a checked `Recipe`.
        out: the run folder; `runs/<name>` otherwise. An unfinished run of the same recipe in it is
            taken up where it stopped; a finished one is only reported.
        edits: `path=value` changes to the recipe.
        progress: where bars and messages go; nowhere by default.

    Returns:
        The report: `.data` is what report.json holds, `.folder` the run folder.

    Raises:
        BadInput: the recipe, a file or the folder cannot be used. Nothing was overwritten.
    """
    checked = recipes.load(recipe, edits)
    folder = RunFolder.open(Path(out or Path("runs") / checked.name), checked.model_dump(mode="json"))
    progress = progress or Progress()
    if (done := folder.read_json("report.json")) and done.get("finished"):
        progress.say(f"{folder.path} holds this very run, finished")
        return Report(folder.path, done)
    bench = _bench(checked, folder, progress)
    _source(bench)
    for lineage in _lineages(bench):
        _adapt(bench, lineage)
    return _finish(bench)


@dataclass
class _Bench:
    """What the stages of one run share, and where the model's weights are from right now."""

    recipe: Recipe
    folder: RunFolder
    progress: Progress
    accelerator: Accelerator
    model: Classifier
    source: Source
    watched: tuple[Tokens, Tensor]
    texts: Texts
    pools: dict[str, Tokens]
    tests: dict[str, Tokens]
    weights: str = "pretrained"
    seen: dict[tuple[str, str], Encoded] = field(default_factory=dict)
    """Passes over the pool of a language, by the weights that made them: none is made twice."""

    def tools(self, *names: object) -> Tools:
        generator = generator_for(self.recipe.seed, *names)
        return Tools(self.accelerator, generator, self.progress)

    def go_to(self, place: str) -> None:
        """Put the weights of a finished stage, or the pretrained ones, into the model."""
        if place == self.weights:
            return
        if place == "pretrained":
            self.model.load_state_dict(_model(self.recipe, self.source.classes, self.accelerator).state_dict())
        else:
            self.model.restore(self.folder.path / place)
        self.weights = place

    def label_pools(self, languages: list[str], place: str) -> Encoded:
        """The pools of `languages`, one after another, as the weights at `place` see them."""
        for code in languages:
            if (place, code) not in self.seen:
                self.go_to(place)
                self.seen[place, code] = label(
                    self.model, self.pools[code], self.progress, f"labelling the pool: {code}"
                )
        parts = [self.seen[place, code] for code in languages]
        return Encoded(
            torch.cat([part.logits for part in parts]), torch.cat([part.features for part in parts])
        )

    def source_accuracy(self) -> float:
        tokens, gold = self.watched
        said = label(self.model, tokens, self.progress, "labelling source rows").logits.argmax(1)
        return float((said == gold).double().mean())


@dataclass(frozen=True)
class _Lineage:
    """Languages that are adapted together: all of them (joint), or one."""

    adapted: list[str]
    tested: list[str]
    folder: str
    """"" or "<language>/"."""

    @property
    def language(self) -> str | None:
        return self.folder.rstrip("/") or None


def _bench(recipe: Recipe, folder: RunFolder, progress: Progress) -> _Bench:
    progress.say("reading texts")
    texts = read_texts(recipe)
    check(recipe, texts.source.classes)
    classes = texts.source.classes
    folder.write_json("data.json", facts(recipe, texts))
    for note in texts.notes:
        progress.say(note)
    computer = accelerator(recipe.model.precision, folder.path, recipe.trackers)
    generator_for(recipe.seed, "model")
    model = _model(recipe, classes, computer)
    folder.write_json("environment.json", _environment(recipe, computer))
    progress.say("tokenising")
    train_tokens = model.tokenise(texts.source.rows)
    labelled = texts.dev or texts.source
    some = torch.arange(min(len(labelled.rows), WATCHED_ROWS))
    watched = (model.tokenise(labelled.rows.take(some.tolist())), labelled.label[some])
    return _Bench(
        recipe,
        folder,
        progress,
        computer,
        model,
        Source(train_tokens, texts.source.label, classes),
        watched,
        texts,
        {code: model.tokenise(rows) for code, rows in texts.pools.items()},
        {code: model.tokenise(rows) for code, rows in texts.tests.items()},
    )


def _model(recipe: Recipe, classes: tuple[str, ...], computer: Accelerator) -> Classifier:
    """The pretrained encoder with new heads, the same at every call of a run."""
    generator_for(recipe.seed, "model")
    return load(recipe.model, classes, autocast=computer.autocast).to(computer.device)


def _lineages(bench: _Bench) -> list[_Lineage]:
    recipe = bench.recipe
    if not (recipe.contrastive or recipe.self_training):
        return []
    if recipe.data.adapt == "joint":
        return [_Lineage(recipe.adapted(), list(bench.tests), "")]
    return [_Lineage([code], [code] if code in bench.tests else [], f"{code}/") for code in recipe.adapted()]


def _source(bench: _Bench) -> None:
    """Stage 0, shared by all lineages."""
    recipe, place = bench.recipe, "checkpoints/source"
    if bench.folder.read_json(f"{place}/record.json"):
        bench.progress.say("taking up the run after its source stage")
        return
    tools, start = bench.tools("source"), time.perf_counter()
    told: dict[str, Any] = {"checkpoint": recipe.source.checkpoint}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if recipe.source.checkpoint:
            section = recipe.model.model_copy(update={"name": recipe.source.checkpoint, "revision": None})
            tuned = load_fine_tuned(section, bench.source.classes, autocast=bench.model.autocast)
            bench.model.network.load_state_dict(tuned.network.state_dict())
        else:
            told = source.train(recipe.source, bench.model, bench.source, tools)
    everyone = _Lineage(recipe.adapted(), list(bench.tests), "")
    _close(bench, everyone, "source", told, {}, caught, start)


def _adapt(bench: _Bench, lineage: _Lineage) -> None:
    """Stages 1 and 2 of one lineage. A collapse ends it: nothing is built on a broken model."""
    target = _target(bench, lineage)
    before = "checkpoints/source"
    for name in _steps(bench.recipe):
        place = f"checkpoints/{lineage.folder}{name}"
        record = bench.folder.read_json(f"{place}/record.json")
        if record is None:
            record = _step(bench, lineage, target, name, before)
        if record["collapse"]:
            for why in record["collapse"]:
                bench.progress.warn(f"{lineage.folder}{name} collapsed: {why}; what follows is left out")
            return
        before = place


def _steps(recipe: Recipe) -> list[str]:
    first = ["contrastive"] if recipe.contrastive else []
    loops = recipe.self_training.iterations if recipe.self_training else 0
    return [*first, *(f"self_training-{i}" for i in range(1, loops + 1))]


def _target(bench: _Bench, lineage: _Lineage) -> Target:
    rows = bench.texts.pools[lineage.adapted[0]]
    for code in lineage.adapted[1:]:
        rows = rows.joined(bench.texts.pools[code])
    return target_of(rows, joined([bench.pools[code] for code in lineage.adapted]))


def _step(
    bench: _Bench, lineage: _Lineage, target: Target, name: str, before: str
) -> dict[str, Any]:
    """One stage of a lineage, from the weights it starts from to its record."""
    start = time.perf_counter()
    pool = target.pool(bench.source.classes, bench.label_pools(lineage.adapted, before))
    bench.go_to(_starting_point(bench.recipe, lineage, name, before))
    tools = bench.tools(lineage.folder, name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if name == "contrastive":
            told, columns = _contrastive(bench, lineage, target, pool, tools)
        else:
            told, columns = _self_training(bench, target, pool, tools, int(name.rpartition("-")[2]))
    return _close(bench, lineage, name, told, columns, caught, start)


def _starting_point(recipe: Recipe, lineage: _Lineage, name: str, before: str) -> str:
    reinit = recipe.self_training.reinit if recipe.self_training else "continue"
    if name == "contrastive" or reinit == "continue":
        return before
    places = {"pretrained": "pretrained", "source": "checkpoints/source"}
    return places.get(reinit, f"checkpoints/{lineage.folder}contrastive")


def _contrastive(
    bench: _Bench, lineage: _Lineage, target: Target, pool: Pool, tools: Tools
) -> tuple[dict[str, Any], dict[str, pa.Array]]:
    stage = bench.recipe.contrastive
    assert stage is not None
    rows = _sample(target, lineage)
    tokens = target.tokens.take(rows)
    curve: list[tuple[int, Tensor]] = []

    def observe(step: int) -> None:
        said = label(bench.model, tokens, Progress(), "").logits.argmax(1)
        curve.append((step, said))

    if stage.curve:
        observe(0)
    bench.weights = "on the way"
    out = contrastive.train(stage, bench.model, bench.source, target, pool, tools, observe)
    if curve:
        ids = [pool.ids[i] for i in rows.tolist()]
        languages = [target.rows.languages[i] for i in rows.tolist()]
        columns = {
            "step": pa.array([step for step, _ in curve for _ in ids], pa.int32()),
            "id": pa.array(ids * len(curve)),
            "language": pa.array(languages * len(curve)),
            "label": pa.array(torch.cat([said for _, said in curve]).tolist(), pa.int32()),
        }
        bench.folder.write_table(f"pseudo_labels/{lineage.folder}contrastive-curve.parquet", pa.table(columns))
    return out.facts, {"complement": pa.array(out.complement_NC.tolist(), pa.list_(pa.bool_()))}


def _sample(target: Target, lineage: _Lineage) -> Tensor:
    """Evenly spaced rows of every language, at most `CURVE_ROWS` each."""
    parts = []
    for code in range(len(target.languages)):
        rows = (target.language == code).nonzero().flatten()
        parts.append(rows[:: -(-len(rows) // CURVE_ROWS)])
    return torch.cat(parts)


def _self_training(
    bench: _Bench, target: Target, pool: Pool, tools: Tools, iteration: int
) -> tuple[dict[str, Any], dict[str, pa.Array]]:
    stage = bench.recipe.self_training
    assert stage is not None
    bench.weights = "on the way"
    pool = replace(pool, round=iteration)
    out = self_training.train(stage, bench.model, bench.source, target, pool, tools)
    index, N = out.selection.index, len(pool)
    taken = torch.full((N,), -1).index_copy_(0, index, out.selection.target_KC.argmax(1))
    weight = torch.zeros(N).index_copy_(0, index, out.selection.weight.float())
    return out.facts, {
        "selected": pa.array((taken >= 0).tolist()),
        "label": pa.array(taken.tolist(), pa.int32()),
        "weight": pa.array(weight.tolist(), pa.float32()),
    }


def _close(
    bench: _Bench,
    lineage: _Lineage,
    name: str,
    told: dict[str, Any],
    columns: dict[str, pa.Array],
    caught: list[warnings.WarningMessage],
    start: float,
) -> dict[str, Any]:
    """Label pools and tests with the new weights, look for a collapse, write everything, record last."""
    place = f"checkpoints/{lineage.folder}{name}"
    trained = time.perf_counter() - start
    bench.weights = place
    bench.seen = {k: v for k, v in bench.seen.items() if k[0] == "checkpoints/source"}
    tokens, positions = bench.model.computed.tolist()
    after = bench.label_pools(lineage.adapted, place) if lineage.adapted else None
    if after is not None:
        _write_probabilities(bench, f"pseudo_labels/{lineage.folder}{name}.parquet", lineage.adapted, after, columns)
    _test(bench, lineage, name)
    watched = bench.source_accuracy()
    collapse = []
    if name != "source" and after is not None:
        first = bench.folder.read_json("checkpoints/source/record.json") or {}
        was = _source_labels(bench, lineage)
        collapse = symptoms(was, after.logits.argmax(1), len(bench.source.classes), first["source_dev"], watched)
    messages = [str(w.message) for w in caught]
    for message in messages:
        bench.progress.warn(f"{lineage.folder}{name}: {message}")
    record = {
        "name": name,
        "language": lineage.language,
        "seconds": round(trained, 2),
        "steps": told.get("steps", 0),
        "facts": told,
        "warnings": messages,
        "collapse": collapse,
        "source_dev": watched,
        "tokens": tokens,
        "padding": 1 - tokens / positions if positions else 0.0,
    }
    bench.model.computed.zero_()

    def fill(path: Path) -> None:
        bench.model.save(path)
        RunFolder(path).write_json("record.json", record)

    bench.folder.write_folder(place, fill)
    bench.folder.event("stage", name=name, language=lineage.language, seconds=record["seconds"])
    return record


def _source_labels(bench: _Bench, lineage: _Lineage) -> Tensor:
    """What the source stage said of the lineage's pool, from its file."""
    import pyarrow.parquet as pq

    table = pq.read_table(bench.folder.path / "pseudo_labels/source.parquet")
    wanted = set(lineage.adapted)
    pairs = zip(table["language"].to_pylist(), table["probabilities"].to_pylist(), strict=True)
    return torch.tensor([p for code, p in pairs if code in wanted]).argmax(1)


def _test(bench: _Bench, lineage: _Lineage, name: str) -> None:
    """Probabilities of the test texts; what is right is known only to the report."""
    if not lineage.tested:
        return
    parts = [
        label(bench.model, bench.tests[code], bench.progress, f"predicting the test rows: {code}")
        for code in lineage.tested
    ]
    said = Encoded(torch.cat([p.logits for p in parts]), torch.cat([p.features for p in parts]))
    _write_probabilities(bench, f"predictions/{lineage.folder}{name}.parquet", lineage.tested, said, {}, test=True)


def _write_probabilities(
    bench: _Bench,
    name: str,
    languages: list[str],
    said: Encoded,
    columns: dict[str, pa.Array],
    *,
    test: bool = False,
) -> None:
    rows = [(bench.texts.tests if test else bench.texts.pools)[code] for code in languages]
    probs = said.logits.softmax(1)
    C = probs.shape[1]
    flat = pa.array(probs.flatten().numpy())
    table = {
        "id": pa.array([id for part in rows for id in part.ids]),
        "language": pa.array([code for part in rows for code in part.languages]),
        "probabilities": pa.ListArray.from_arrays(pa.array(range(0, len(flat) + 1, C), pa.int32()), flat),
    }
    bench.folder.write_table(name, pa.table(table | columns))


def _environment(recipe: Recipe, computer: Accelerator) -> dict[str, Any]:
    names = ["conlst", "torch", "transformers", "accelerate", "datasets", "pyarrow", "pydantic"]
    return {
        "versions": {name: version(name) for name in names} | {"python": platform.python_version()},
        "platform": platform.platform(),
        "device": str(computer.device),
        "precision": computer.mixed_precision,
        "threads": torch.get_num_threads(),
    }


def _finish(bench: _Bench) -> Report:
    """Export the models, build the report from the folder, and write it; report.json comes last."""
    folder = bench.folder
    for lineage in _lineages(bench) or [_Lineage([], [], "")]:
        last = _last_sound(bench, lineage)
        bench.go_to(last)
        report = build(folder.path)

        def fill(path: Path, last: str = last, lineage: _Lineage = lineage, report: dict[str, Any] = report) -> None:
            bench.model.export(path)
            text = card(report, bench.recipe, lineage.adapted, last)
            (path / "README.md").write_text(text, encoding="utf-8")

        folder.write_folder(f"model/{lineage.folder}".rstrip("/"), fill)
    report = build(folder.path) | {"finished": True}
    folder.write_text("report.md", markdown(report))
    folder.event("finished")
    folder.write_json("report.json", report)
    bench.accelerator.end_training()
    return Report(folder.path, report)


def _last_sound(bench: _Bench, lineage: _Lineage) -> str:
    """The last stage of a lineage that did not collapse."""
    last = "checkpoints/source"
    for name in _steps(bench.recipe) if lineage.adapted else []:
        place = f"checkpoints/{lineage.folder}{name}"
        record = bench.folder.read_json(f"{place}/record.json")
        if record is None or record["collapse"]:
            break
        last = place
    return last
