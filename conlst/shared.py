"""A stage that several runs have in common is trained once, by the run that comes to it first.

It is kept under the SHA-256 of all that its weights depend on: sections of the recipe, seed, data,
versions, device, the stage before. So a run that shares gives the same numbers as one that does
not. A stage appears whole, by a rename; while one process trains it, others wait for its lock, and
the lock of a process that dies is free.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from conlst import processes
from conlst.arrays import Rows
from conlst.bench import SOURCE, Bench
from conlst.folder import RunFolder
from conlst.outcome import Outcome
from conlst.recipe import run_languages
from conlst.stages.material import Target

Facts = dict[str, Any]
FILES = "files.json"
"""The SHA-256 of each file of a stage that is kept."""


def trained_once(bench: Bench, facts: Facts | None, train: Callable[[], Outcome]) -> Outcome:
    """What `train` leaves in the model and tells, from here or from whoever did it before.

    Args:
        bench: its model is trained, or given the weights that are kept.
        facts: all that the stage depends on; None: it cannot be shared.
        train: does the work.
    """
    if bench.shared is None or facts is None:
        return train()
    bench.shared.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    place, lock = bench.shared / key, FileLock(bench.shared / f".{key}.lock")
    try:
        processes.by_first(lambda: _locked(bench, lock))
        # Weights may have been let go while another run still wrote what they say of its rows.
        there = (place / FILES).is_file()
        outcome = _taken(bench, place) if there else _given(bench, place, train())
    finally:
        lock.release()
    outcome.shared = key
    return outcome


def _locked(bench: Bench, lock: BaseFileLock) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        bench.progress.say("another run trains this very stage: waiting for it")
        lock.acquire()


def _taken(bench: Bench, place: Path) -> Outcome:
    bench.progress.say("another run has trained this very stage: taken from there")
    kept = RunFolder(place)
    kept.check(kept.read_json(FILES) or {})
    bench.model.restore(place)
    return Outcome.kept(place)


def _given(bench: Bench, place: Path, outcome: Outcome) -> Outcome:
    def fill(path: Path) -> None:
        bench.model.save(path)
        outcome.keep(path)
        kept = RunFolder(path)
        kept.write_json(FILES, kept.digests(["."]))

    RunFolder(place.parent).write_folder(place.name, fill)
    return outcome


def source_facts(bench: Bench) -> Facts | None:
    """What the weights of the source stage depend on; which languages are targets is not in it."""
    recipe = bench.recipe
    if recipe.source.checkpoint:
        return None  # nothing is trained, and the folder may change under its name
    parts = [part for part in (recipe.source.loss, recipe.source.augment) if part]
    counted = any({"language", "languages"} & part.all_needs() for part in parts)
    return _around(bench, "source.") | {
        "seed": recipe.seed,
        "model": recipe.model.model_dump(mode="json") | {"files": _stats(recipe.model.name)},
        "rows": _digest(bench.source.rows, bench.source.label.tolist()),
        "classes": bench.classes,
        "stage": recipe.source.model_dump(mode="json"),
        "languages": run_languages(recipe) if counted else None,
    }


def contrastive_facts(bench: Bench, target: Target, folder: str) -> Facts | None:
    """What the weights of stage 1 depend on, beside those that it starts from."""
    recipe = bench.recipe
    after = (bench.folder.read_json(f"{SOURCE}/record.json") or {}).get("shared")
    if after is None or recipe.contrastive is None:
        return None
    return _around(bench, "contrastive.") | {
        "after": after,
        "folder": folder,  # the chance of a stage depends on it
        "rows": _digest(target.rows, []),
        "languages": run_languages(recipe),
        "stage": recipe.contrastive.model_dump(mode="json"),
    }


def _around(bench: Bench, section: str) -> Facts:
    """Files that parts of a section read, the code of parts from outside, and the environment."""
    told = (bench.folder.read_json("data.json") or {})["hashes"]
    hashes = {name: digest for name, digest in told.items() if name.startswith((section, "part "))}
    return {"hashes": hashes, "environment": bench.folder.read_json("environment.json")}


def _digest(rows: Rows, labels: list[int]) -> str:
    """SHA-256 of what a stage is shown, wherever it was read from."""
    held = [list(rows.ids), list(rows.languages), list(rows.texts), list(rows.pairs or ()), labels]
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()


def _stats(name: str) -> list[tuple[str, int, int]]:
    """Size and time of a local model's files: their names alone do not say that they changed."""
    found = sorted(path for path in Path(name).glob("*") if path.is_file())
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in found]
