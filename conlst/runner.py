"""The order of the stages, the run folder, and taking up where a run stopped."""

import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import torch
from torch import Tensor

from conlst import recipe as recipes
from conlst.arrays import Pool, Rows, Selection
from conlst.bench import PRETRAINED, SOURCE, Bench, bench, environment
from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.model import Encoded, load
from conlst.predict import label
from conlst.progress import Progress
from conlst.recipe import Recipe
from conlst.report import Report
from conlst.report.build import build
from conlst.report.card import card
from conlst.report.gold import check
from conlst.report.markdown import markdown
from conlst.stages import contrastive, self_training, source
from conlst.stages.collapse import (
    ONE_CLASS,
    effective_classes,
    pool_symptoms,
    source_symptoms,
)
from conlst.stages.material import Target
from conlst.texts import facts, read_texts
from conlst.train import Tools, accelerator

pc: Any = pyarrow.compute
CURVE_ROWS = 500
"""Pool rows a language that are labelled for a point of the stage-1 curve."""
Columns = dict[str, Any]
"""Columns of a table, as pyarrow arrays."""


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
    progress = progress or Progress()
    place = Path(out or Path("runs") / checked.name)
    folder = RunFolder.open(place, checked.model_dump(mode="json"))
    if (done := folder.read_json("report.json")) and done.get("finished"):
        progress.say(f"{folder.path} holds this very run, finished")
        return Report(folder.path, done)
    ready = _prepare(checked, folder, progress)
    _source(ready)
    for lineage in _lineages(checked):
        _adapt(ready, lineage)
    return _finish(ready)


@dataclass(frozen=True)
class Lineage:
    """Languages that are adapted together, into one model: all of them (joint), or one."""

    adapted: list[str]
    tested: list[str]
    folder: str = ""
    """"" or "<language>/", inside each folder of the run folder."""

    @property
    def language(self) -> str | None:
        return self.folder.rstrip("/") or None


def _lineages(recipe: Recipe) -> list[Lineage]:
    if not (recipe.contrastive or recipe.self_training):
        return []
    tested = [code for code, target in recipe.data.targets.items() if target.test]
    if recipe.data.adapt == "joint":
        return [Lineage(recipe.adapted(), tested)]
    return [
        Lineage([code], [code] if code in tested else [], f"{code}/") for code in recipe.adapted()
    ]


def _steps(recipe: Recipe) -> list[str]:
    """The stages after the source, by the names that folders and the report know them by."""
    first = ["contrastive"] if recipe.contrastive else []
    loops = recipe.self_training.iterations if recipe.self_training else 0
    return [*first, *(f"self_training-{i}" for i in range(1, loops + 1))]


def _prepare(recipe: Recipe, folder: RunFolder, progress: Progress) -> Bench:
    """Read and check everything before hours are spent."""
    progress.say("reading texts")
    texts = read_texts(recipe)
    check(
        recipe,
        texts.source.classes,
        tests={code: rows.ids for code, rows in texts.tests.items()},
        pools={code: rows.ids for code, rows in texts.pools.items()},
    )
    for note in texts.notes:
        progress.say(note)
    computer = accelerator(recipe.model.precision, folder.path, recipe.trackers)
    told, around = facts(recipe, texts), environment(computer)
    _same_as_before(folder, told, around, progress)
    ready = bench(recipe, folder, progress, texts, computer)
    folder.start(recipe.model_dump(mode="json"))
    if recipe.trackers:
        computer.init_trackers(recipe.name)
    folder.write_json("data.json", told)
    folder.write_json("environment.json", around)
    return ready


def _same_as_before(
    folder: RunFolder, told: dict[str, Any], around: dict[str, Any], progress: Progress
) -> None:
    """A run that is taken up goes on with the very data it began with.

    Raises:
        BadInput: a file was changed since; its place in the recipe is named.
    """
    before = (folder.read_json("data.json") or told)["hashes"]
    if changed := [name for name in told["hashes"] if told["hashes"][name] != before.get(name)]:
        raise BadInput(
            f"{folder.path}: the run began with other data; changed since: {', '.join(changed)}; "
            "start anew with another --out, or put the files back"
        )
    if (folder.read_json("environment.json") or around) != around:
        progress.warn(
            f"{folder.path} was begun with other versions, threads or device: its figures may "
            "differ in the last digits from those of an undisturbed run"
        )


def _source(bench: Bench) -> None:
    """Stage 0, shared by all lineages."""
    if bench.folder.read_json(f"{SOURCE}/record.json"):
        bench.progress.say("the source stage is there: going on after it")
        return
    stage, start = bench.recipe.source, time.perf_counter()
    tools = bench.tools("", "source")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if stage.checkpoint:
            told: dict[str, Any] = {"checkpoint": stage.checkpoint}
            _take_over(bench, stage.checkpoint)
        else:
            told = source.train(stage, bench.model, bench.source, tools)
    tested = list(bench.tests)
    _close(bench, Lineage(bench.recipe.adapted(), tested), "source", told, {}, caught, start)


def _take_over(bench: Bench, checkpoint: str) -> None:
    """Start from a model folder that is fine-tuned already."""
    changes = {"name": checkpoint, "revision": None}
    section = bench.recipe.model.model_copy(update=changes)
    tuned = load(section, bench.classes, fine_tuned=True)
    try:
        if tuned.tokenizer.get_vocab() != bench.model.tokenizer.get_vocab():
            raise RuntimeError("they have different vocabularies")
        bench.model.network.load_state_dict(tuned.network.state_dict())
    except RuntimeError as error:
        raise BadInput(
            f"source.checkpoint {checkpoint!r} is not a fine-tuned model.name "
            f"({bench.recipe.model.name!r}): {str(error)[:200]}"
        ) from None


def _adapt(bench: Bench, lineage: Lineage) -> None:
    """Stages 1 and 2 of one lineage. A collapse ends it: nothing is built on a broken model."""
    target, before = bench.target(lineage.adapted), SOURCE
    for name in _steps(bench.recipe):
        place = f"checkpoints/{lineage.folder}{name}"
        record = bench.folder.read_json(f"{place}/record.json")
        if record is None:
            record = _step(bench, lineage, target, name, before)
        if record["collapse"]:
            for why in record["collapse"]:
                bench.progress.warn(f"{lineage.folder}{name} collapsed, so it ends here: {why}")
            return
        before = place


def _step(bench: Bench, lineage: Lineage, target: Target, name: str, before: str) -> dict[str, Any]:
    """One stage of a lineage, from the weights it starts from to its record."""
    start = time.perf_counter()
    pool = target.pool(bench.classes, bench.label_pools(lineage.adapted, before))
    bench.go_to(_starting_point(bench.recipe, lineage, name, before))
    bench.weights = f"on the way to {lineage.folder}{name}"
    bench.model.take_counts()
    tools = bench.tools(lineage.folder, name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if name == "contrastive":
            told, columns = _contrastive(bench, lineage, target, pool, tools)
        else:
            iteration = int(name.rpartition("-")[2])
            history = _history(bench, lineage, iteration)
            pool = replace(pool, round=iteration, history=history)
            told, columns = _self_training(bench, target, pool, tools)
    return _close(bench, lineage, name, told, columns, caught, start)


def _history(bench: Bench, lineage: Lineage, iteration: int) -> tuple[Selection, ...]:
    """What the iterations before selected, by their files."""
    return tuple(_selection(bench, lineage, earlier) for earlier in range(1, iteration))


def _selection(bench: Bench, lineage: Lineage, iteration: int) -> Selection:
    name = f"pseudo_labels/{lineage.folder}self_training-{iteration}.parquet"
    table = pq.read_table(bench.folder.path / name, columns=["selected", "target", "weight"])
    kept = table.filter(table["selected"])
    index = torch.tensor(table["selected"].to_pylist()).nonzero().flatten()
    target_KC = torch.tensor(kept["target"].to_pylist()).reshape(len(index), len(bench.classes))
    return Selection(index, target_KC, torch.tensor(kept["weight"].to_pylist()))


def _starting_point(recipe: Recipe, lineage: Lineage, name: str, before: str) -> str:
    reinit = recipe.self_training.reinit if recipe.self_training else "continue"
    if name == "contrastive" or reinit == "continue":
        return before
    places = {"pretrained": PRETRAINED, "source": SOURCE}
    return places.get(reinit, f"checkpoints/{lineage.folder}contrastive")


def _contrastive(
    bench: Bench, lineage: Lineage, target: Target, pool: Pool, tools: Tools
) -> tuple[dict[str, Any], Columns]:
    stage = bench.recipe.contrastive
    assert stage is not None
    rows = _spread(target)
    tokens = target.tokens.take(rows)
    curve: list[tuple[int, Tensor]] = []

    def observe(step: int) -> None:
        curve.append((step, label(bench.model, tokens, Progress(), "").logits.argmax(1)))

    if stage.curve:
        observe(0)
    out = contrastive.train(stage, bench.model, bench.source, target, pool, tools, observe)
    if curve:
        table = _curve(curve, target.rows.take(rows.tolist()))
        bench.folder.write_table(f"pseudo_labels/{lineage.folder}contrastive-curve.parquet", table)
    return out.facts, {"complement": pa.array(out.complement_NC.tolist(), pa.list_(pa.bool_()))}


def _spread(target: Target) -> Tensor:
    """Evenly spaced rows of every language, at most `CURVE_ROWS` each."""
    parts = []
    for code in range(len(target.languages)):
        rows = (target.language == code).nonzero().flatten()
        parts.append(rows[:: -(-len(rows) // CURVE_ROWS)])
    return torch.cat(parts)


def _curve(curve: list[tuple[int, Tensor]], rows: Rows) -> pa.Table:
    return pa.table(
        {
            "step": pa.array([step for step, _ in curve for _ in rows.ids], pa.int32()),
            "id": pa.array(list(rows.ids) * len(curve)),
            "language": pa.array(list(rows.languages) * len(curve)),
            "label": pa.array(torch.cat([said for _, said in curve]).tolist(), pa.int32()),
        }
    )


def _self_training(
    bench: Bench, target: Target, pool: Pool, tools: Tools
) -> tuple[dict[str, Any], Columns]:
    stage = bench.recipe.self_training
    assert stage is not None
    out = self_training.train(stage, bench.model, bench.source, target, pool, tools)
    index, N, C = out.selection.index, len(pool), len(bench.classes)
    taken = torch.full((N,), -1).index_copy_(0, index, out.selection.target_KC.argmax(1))
    weight = torch.zeros(N).index_copy_(0, index, out.selection.weight.float())
    target_NC = torch.zeros(N, C).index_copy_(0, index, out.selection.target_KC.float())
    return out.facts, {
        "selected": pa.array((taken >= 0).tolist()),
        "label": pa.array(taken.tolist(), pa.int32()),
        "target": _rows_of(target_NC),
        "weight": pa.array(weight.tolist(), pa.float32()),
    }


def _rows_of(values_NC: Tensor) -> Any:
    """A matrix as a column: one list a row."""
    N, C = values_NC.shape
    offsets = pa.array(range(0, N * C + 1, C), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values_NC.flatten().numpy()))


def _close(
    bench: Bench,
    lineage: Lineage,
    name: str,
    told: dict[str, Any],
    columns: Columns,
    caught: list[warnings.WarningMessage],
    start: float,
) -> dict[str, Any]:
    """Label pools and tests with the new weights, look for a collapse, and keep it all."""
    seconds = time.perf_counter() - start
    tokens, positions = bench.model.take_counts()
    place = f"checkpoints/{lineage.folder}{name}"
    bench.trained_to(place)
    messages = list(dict.fromkeys(str(warning.message) for warning in caught))
    for message in messages:
        bench.progress.warn(f"{lineage.folder}{name}: {message}")
    pools = None
    if lineage.adapted:
        pools = bench.label_pools(lineage.adapted, place)
        table = _table(bench.texts.pools, lineage.adapted, pools, columns)
        bench.folder.write_table(f"pseudo_labels/{lineage.folder}{name}.parquet", table)
    if lineage.tested:
        said = bench.label_tests(lineage.tested)
        table = _table(bench.texts.tests, lineage.tested, said, {})
        bench.folder.write_table(f"predictions/{lineage.folder}{name}.parquet", table)
    watched = bench.source_accuracy()
    if name == "source" and pools is not None:
        messages += _one_class(bench, lineage, pools)
    record = {
        "name": name,
        "language": lineage.language,
        "seconds": round(seconds, 2),
        "steps": told.get("steps", 0),
        "facts": told,
        "warnings": messages,
        "collapse": [] if name == "source" else _collapse(bench, lineage, place, watched),
        "source_dev": watched,
        "tokens": tokens,
        "padding": 1 - tokens / positions if positions else 0.0,
    }

    def fill(path: Path) -> None:
        bench.model.save(path)
        RunFolder(path).write_json("record.json", record)

    bench.folder.write_folder(place, fill)  # last: the record says that the stage is whole
    bench.folder.event("stage", name=name, language=lineage.language, seconds=record["seconds"])
    bench.logged += told.get("steps", 0)
    bench.accelerator.log({f"{lineage.folder}{name}/source_dev": watched}, step=bench.logged)
    return record


def _one_class(bench: Bench, lineage: Lineage, pools: Encoded) -> list[str]:
    """A source model that takes all of a pool for one class gives nothing to adapt with."""
    said = pools.logits.argmax(1).split([len(bench.pools[code]) for code in lineage.adapted])
    told = [
        f"the source model takes nearly all {code} rows for one class: it may not have learnt the "
        "task (too large a learning_rate, too few epochs), and pseudo-labels will not mend that"
        for code, labels in zip(lineage.adapted, said, strict=True)
        if effective_classes(labels, len(bench.classes)) < ONE_CLASS
    ]
    for text in told:
        bench.progress.warn(text)
    return told


def _collapse(bench: Bench, lineage: Lineage, place: str, watched: float) -> list[str]:
    """Compare with what the source stage left, by its own files, language by language."""
    first = bench.folder.read_json(f"{SOURCE}/record.json")
    assert first is not None
    table = pq.read_table(bench.folder.path / "pseudo_labels/source.parquet")
    C, told = len(bench.classes), []
    for code in lineage.adapted:
        mine = table.filter(pc.equal(table["language"], code))
        before = torch.tensor(mine["probabilities"].to_pylist()).argmax(1)
        after = bench.label_pools([code], place).logits.argmax(1)
        told += [f"{code}: {why}" for why in pool_symptoms(before, after, C)]
    return told + source_symptoms(first["source_dev"], watched)


def _table(
    rows: Mapping[str, Rows], languages: list[str], said: Encoded, more: Columns
) -> pa.Table:
    """Rows with the probabilities a model gives them; what is right is known only to the report."""
    probs = said.logits.softmax(1)
    columns = {
        "id": pa.array([id for code in languages for id in rows[code].ids]),
        "language": pa.array([code for code in languages for _ in rows[code].ids]),
        "probabilities": _rows_of(probs),
    }
    return pa.table(columns | more)


def _finish(bench: Bench) -> Report:
    """Export the models, build the report from the folder, and write it; report.json comes last."""
    folder, recipe = bench.folder, bench.recipe
    report = build(folder.path)
    for lineage in _lineages(recipe) or [Lineage([], [])]:
        last = _last_sound(bench, lineage)
        bench.go_to(last)
        pairs = bench.texts.source.rows.pairs is not None
        text = card(report, recipe, lineage.adapted, Path(last).name, pairs=pairs)

        def fill(path: Path, text: str = text) -> None:
            bench.model.export(path)
            (path / "README.md").write_text(text, encoding="utf-8")

        folder.write_folder(f"model/{lineage.folder}".rstrip("/"), fill)
    report["finished"] = True
    folder.write_text("report.md", markdown(report))
    folder.event("finished")
    folder.write_json("report.json", report)
    bench.accelerator.end_training()
    return Report(folder.path, report)


def _last_sound(bench: Bench, lineage: Lineage) -> str:
    """The last stage of a lineage that did not collapse: the one whose model is handed out."""
    last = SOURCE
    for name in _steps(bench.recipe) if lineage.adapted else []:
        place = f"checkpoints/{lineage.folder}{name}"
        record = bench.folder.read_json(f"{place}/record.json")
        if record is None or record["collapse"]:
            break
        last = place
    return last
