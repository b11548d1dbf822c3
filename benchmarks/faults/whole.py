"""Runs that nobody disturbs, and whether another one comes to the same."""

import json
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.faults import command

Json = dict[str, Any]
CLOCK = ("seconds", "environment", "peak_memory")
"""What a report holds that the clock and the machine decide."""
REPORT = "export and report"
STAGES = ["source", "contrastive", "self_training-1", "self_training-2"]
PHASES = [*STAGES, REPORT]


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed."""

    recipe: Path
    seconds: dict[str, float]
    """Of each phase; the first begins with the process."""
    results: Json


def undisturbed(recipe: Json, folder: Path) -> Whole:
    """The second of two: the first fills the caches. They agree, or nothing could be compared."""
    file = folder / f"{recipe['name']}.json"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    first, second = folder / f"{file.stem}-first", folder / file.stem
    to_the_end(file, first)
    times = [time.time()]
    to_the_end(file, second)
    times += [event["time"] for event in _events(second)]
    if wrong := difference(results(first), found := results(second)):
        raise RuntimeError(f"{file.stem}: two undisturbed runs differ: {wrong}")
    lengths = [after - before for before, after in pairwise(times)]
    return Whole(file, dict(zip(PHASES, lengths, strict=True)), found)


def to_the_end(recipe: Path, out: Path) -> None:
    said = out.with_suffix(".txt")
    process = command.begun(recipe, out, said)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{out.name} ended with {process.exitcode}: {said.read_text()[-2000:]}")


def left(out: Path) -> list[str]:
    """What a run has still to do, the next thing first."""
    todo = [name for name in STAGES if not (out / f"checkpoints/{name}/record.json").exists()]
    return [*todo, REPORT]


def results(out: Path) -> Json:
    """All that a run comes to: the SHA-256 of each stage's files, and the numbers of the report."""
    records = {name: out / f"checkpoints/{name}/record.json" for name in STAGES}
    over = sorted(file.name for file in out.rglob(".*") if file.name != ".lock")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {
        "files": {name: json.loads(file.read_text())["files"] for name, file in records.items()},
        "report": _timeless(report),
        "events": _events(out)[-1]["event"],
        "left over": over,
    }


def _events(out: Path) -> list[Json]:
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in CLOCK}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def difference(one: Any, other: Any, path: str = "") -> str | None:
    """The first place at which two results differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        found = (difference(one[key], other[key], f"{path}/{key}") for key in one)
        return next(filter(None, found), None)
    return None if one == other else path or "/"
