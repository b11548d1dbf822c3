"""One stage of one lineage: from the weights it starts with to its tables and its record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from conlst import processes
from conlst.arrays import Pool, Rows, Selection
from conlst.augment import Augmenter
from conlst.bench import PRETRAINED, SOURCE, Bench
from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.memory import peak_memory
from conlst.outcome import Outcome, watched
from conlst.predict import Labelled
from conlst.progress import Progress
from conlst.recipe import Recipe
from conlst.shared import contrastive_facts, trained_once
from conlst.stages import contrastive, self_training
from conlst.stages.curve import Curve
from conlst.stages.material import Target
from conlst.train import Tools
from conlst.verdicts import collapse, one_class, value, verdict


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


@dataclass(frozen=True, eq=False)
class Seen:
    """What an adapting stage began with."""

    target: Target
    pool: Pool
    """The target as the stage before left it."""
    place: str
    """The folder of the stage before."""


def step(bench: Bench, lineage: Lineage, target: Target, name: str, before: str) -> dict[str, Any]:
    """Run one stage of a lineage, and return its record."""
    if name == "contrastive":
        facts = contrastive_facts(bench, target, lineage.folder)
        outcome = trained_once(bench, facts, lambda: _contrastive(bench, lineage, target, before))
        return close(bench, lineage, name, outcome)
    outcome, pool = _self_training(bench, lineage, target, name, before)
    return close(bench, lineage, name, outcome, Seen(target, pool, before))


def prepared(augment: Augmenter, rows: Rows, progress: Progress) -> dict[str, Any]:
    """Let an augmenter prepare, and take what it tells, if that can be kept.

    Raises:
        BadInput: it is no JSON; said now, as it would otherwise be found when the stage is kept.
    """
    told = processes.after_first(lambda: augment.prepare(rows, progress))
    try:
        json.dumps(told, allow_nan=False)
    except (TypeError, ValueError) as error:
        what = f"augmenter {augment.name!r}: what it tells of its preparation is no JSON"
        raise BadInput(f"{what}: {error}") from error
    return {"augment": told} if told else {}


def _pool(bench: Bench, lineage: Lineage, target: Target, name: str, before: str) -> Pool:
    """What the stage selects from: the target, as the stage before left it."""
    first, loop = bench.recipe.contrastive, bench.recipe.self_training
    if name == "contrastive":
        assert first is not None
        return bench.pool(target, lineage.adapted, before, [first.confident, first.complement])
    assert loop is not None
    whole = None if loop.mode == "online" else loop.selector
    pool = bench.pool(target, lineage.adapted, before, [whole, loop.stop])
    iteration = int(name.rpartition("-")[2])
    history = tuple(_selection(bench, lineage, earlier) for earlier in range(1, iteration))
    return replace(pool, round=iteration, history=history)


def _selection(bench: Bench, lineage: Lineage, iteration: int) -> Selection:
    """What an iteration selected, by its file."""
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


def _contrastive(bench: Bench, lineage: Lineage, target: Target, before: str) -> Outcome:
    stage, outcome = bench.recipe.contrastive, Outcome({})
    assert stage is not None
    curve = Curve(bench.model, target)
    with watched(outcome) as watch:
        pool = _pool(bench, lineage, target, "contrastive", before)
        tools = _begun(bench, lineage, "contrastive", before)
        tools.snapshot.keep(watch=watch, curve=curve)
        if stage.curve:
            curve.observe(0)
        out = contrastive.train(
            stage, bench.model, bench.source, target, pool, tools, curve.observe
        )
        outcome.tokens, outcome.positions = bench.model.take_counts()
    outcome.curve = curve.table()
    outcome.facts |= out.facts
    held = pa.array(out.complement_NC.tolist(), pa.list_(pa.bool_()))
    outcome.columns["complement"] = held
    return outcome


def _begun(bench: Bench, lineage: Lineage, name: str, before: str) -> Tools:
    """The model where the stage starts, nothing counted yet, and the stage's tools."""
    bench.go_to(_starting_point(bench.recipe, lineage, name, before))
    bench.weights = f"on the way to {lineage.folder}{name}"
    bench.model.take_counts()
    return bench.tools(lineage.folder, name)


def _self_training(
    bench: Bench, lineage: Lineage, target: Target, name: str, before: str
) -> tuple[Outcome, Pool]:
    """One iteration; also the pool as it began with it."""
    stage, outcome = bench.recipe.self_training, Outcome({})
    assert stage is not None
    stage = stage.budgeted(bench.recipe.source)
    with watched(outcome) as watch:
        pool = _pool(bench, lineage, target, name, before)
        if stage.augment:
            outcome.facts |= prepared(stage.augment, target.rows, bench.progress)
        tools = _begun(bench, lineage, name, before)
        tools.snapshot.keep(watch=watch)
        out = self_training.train(stage, bench.model, bench.source, target, pool, tools)
        outcome.facts |= out.facts
        outcome.selection = out.selection
        outcome.columns |= _columns(out.selection, pool)
        outcome.tokens, outcome.positions = bench.model.take_counts()
        if not outcome.facts.get("steps"):  # nobody was trusted: what was stands, whatever
            bench.go_to(before)  # weights the iteration would have begun with
    return outcome, pool


def _columns(chosen: Selection, pool: Pool) -> dict[str, Any]:
    """A selection as columns of the pool's table."""
    N, C = len(pool), len(pool.classes)
    taken_N = torch.full((N,), -1).index_copy_(0, chosen.index, _taken_for(chosen, pool))
    weight_N = torch.zeros(N).index_copy_(0, chosen.index, chosen.weight.float())
    target_NC = torch.zeros(N, C).index_copy_(0, chosen.index, chosen.target_KC.float())
    return {
        "selected": pa.array((taken_N >= 0).tolist()),
        "label": pa.array(taken_N.tolist(), pa.int32()),
        "target": _lists(target_NC),
        "weight": pa.array(weight_N.tolist(), pa.float32()),
    }


def _taken_for(chosen: Selection, pool: Pool) -> Tensor:
    """int64[K]: the class of the largest target; of several, the model's own if it is one."""
    own_K1 = pool.pseudo_label[chosen.index][:, None]
    largest_K, first_K = chosen.target_KC.max(1)
    is_own = chosen.target_KC.gather(1, own_K1)[:, 0] == largest_K
    return torch.where(is_own, own_K1[:, 0], first_K)


def close(
    bench: Bench,
    lineage: Lineage,
    name: str,
    outcome: Outcome,
    seen: Seen | None = None,
) -> dict[str, Any]:
    """Label pools and tests with the new weights, judge them, and keep it all."""
    place = f"checkpoints/{lineage.folder}{name}"
    bench.trained_to(place, outcome.shared)
    whose = f"{name} ({lineage.language})" if lineage.language else name  # as the report has it
    for message in outcome.warnings:
        bench.progress.warn(f"{whose}: {message}")
    tables = _write_tables(bench, lineage, name, place, outcome)
    accuracy = bench.source_accuracy()
    messages = list(outcome.warnings)
    if name == "source":
        messages += one_class(bench, lineage.adapted, place)
    record = {
        "name": name,
        "language": lineage.language,
        "seconds": round(outcome.seconds, 2),
        "steps": outcome.facts.get("steps", 0),
        "facts": outcome.facts,
        "warnings": messages,
        "collapse": [] if name == "source" else collapse(bench, lineage.adapted, place, accuracy),
        "verdict": "go on",
        "criterion": None,
        "source_dev": accuracy,
        "tokens": outcome.tokens,
        "padding": 1 - outcome.tokens / outcome.positions if outcome.positions else 0.0,
        "peak_memory": peak_memory(bench.accelerator.device),
        "shared": outcome.shared,
    }
    if seen and outcome.selection:
        record |= _judged(bench, lineage, place, accuracy, outcome.selection, seen)
    _keep(bench, place, record, tables)
    return record


def _keep(bench: Bench, place: str, record: dict[str, Any], tables: list[str]) -> None:
    """Write weights and record in one step: the record says that the stage is whole.

    It holds the SHA-256 of the tables and of the files beside it.
    """

    def fill(path: Path) -> None:
        bench.model.save(path)
        weights = {f"{place}/{name}": sha for name, sha in RunFolder(path).digests(["."]).items()}
        record["files"] = bench.folder.digests(tables) | weights
        RunFolder(path).write_json("record.json", record)

    bench.folder.write_folder(place, fill)
    bench.snapshot(place).remove()
    name, language = record["name"], record["language"]
    bench.folder.event("stage", name=name, language=language, seconds=record["seconds"])
    bench.logged += record["steps"]
    told = {f"{place.removeprefix('checkpoints/')}/source_dev": record["source_dev"]}
    bench.accelerator.log(told, step=bench.logged)


def _judged(
    bench: Bench, lineage: Lineage, place: str, accuracy: float, chosen: Selection, seen: Seen
) -> dict[str, Any]:
    """What the stopping criterion makes of the new weights, and whether to go on."""
    stop = bench.recipe.self_training and bench.recipe.self_training.stop
    if not stop:
        return {}
    earlier = bench.folder.read_json(f"{seen.place}/record.json")
    assert earlier is not None
    values = earlier.get("criterion")
    if values is None:  # the first iteration: how it stood before
        values = [value(stop, seen.pool, None, earlier["source_dev"])]
    after = bench.pool(seen.target, lineage.adapted, place, [stop])
    after = replace(after, round=seen.pool.round, history=(*seen.pool.history, chosen))
    values = [*values, value(stop, after, seen.pool, accuracy)]
    return {"criterion": values, "verdict": verdict(stop, values)}


def _write_tables(
    bench: Bench, lineage: Lineage, name: str, place: str, outcome: Outcome
) -> list[str]:
    """Write what the stage says of pools and tests; returns the names of the files."""
    tables, stem = dict[str, pa.Table](), f"{lineage.folder}{name}"
    if lineage.adapted:
        said = bench.label_pools(lineage.adapted, place)
        table = _table(bench.texts.pools, lineage.adapted, said, outcome.columns)
        tables[f"pseudo_labels/{stem}.parquet"] = table
    if outcome.curve is not None:
        tables[f"pseudo_labels/{stem}-curve.parquet"] = outcome.curve
    if lineage.tested:
        said = bench.label_tests(lineage.tested)
        tables[f"predictions/{stem}.parquet"] = _table(bench.texts.tests, lineage.tested, said, {})
    for file, table in tables.items():
        bench.folder.write_table(file, table)
    return list(tables)


def _table(
    rows: Mapping[str, Rows], languages: list[str], said: Labelled, more: dict[str, Any]
) -> pa.Table:
    """Rows with the probabilities a model gives them; what is right is known only to the report."""
    columns = {
        "id": pa.array([id for code in languages for id in rows[code].ids]),
        "language": pa.array([code for code in languages for _ in rows[code].ids]),
        "probabilities": _lists(said.probs_NC),
    }
    return pa.table(columns | more)


def _lists(values_NC: Tensor) -> Any:
    """A matrix as a column: one list a row."""
    N, C = values_NC.shape
    offsets = pa.array(range(0, N * C + 1, C), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values_NC.flatten().numpy()))
