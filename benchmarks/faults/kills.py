"""Runs are killed at random instants, and must end bit for bit where an undisturbed one ends.

A run is put aside after every step here, so that every kind of state is taken up. It is killed
(SIGKILL) when a random share of the time has passed that the undisturbed run took, and begun again
with the same command, until it ends by itself; then it is compared, file by file.
"""

import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from safetensors import safe_open

from benchmarks.faults import bed, command

Json = dict[str, Any]
CLOCK = ("seconds", "environment", "peak_memory")
"""What a report holds that the clock and the machine decide."""
STAGES = ["source", "contrastive", "self_training-1", "self_training-2"]


def measure(many: int, seed: int, folder: Path) -> Json:
    """Kill runs so many times in all.

    Returns:
        `asked`; `survived`, kills of runs that ended as they should; `runs`, how many those were;
        `where`, how many kills hit which stage at what; `differing`, what is wrong with the others;
        `seconds` of an undisturbed run.
    """
    chance, where, survived = random.Random(seed), Counter[str](), 0
    whole = {name: _whole(recipe, folder) for name, recipe in bed.recipes(folder).items()}
    turns, differing, runs = cycle(whole.values()), list[str](), 0
    while where.total() < many:
        one, out = next(turns), folder / f"run-{runs}"
        hits = _killed(one, out, many - where.total(), chance)
        wrong = difference(one.results, results(out))
        differing += [f"{one.recipe.stem}: {wrong}"] if wrong else []
        survived += 0 if wrong else len(hits)
        where.update(hits)
        runs += 1
    return {
        "asked": many,
        "survived": survived,
        "runs": runs,
        "where": dict(sorted(where.items())),
        "differing": differing,
        "seconds": {one.recipe.stem: round(one.seconds, 1) for one in whole.values()},
    }


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed."""

    recipe: Path
    seconds: float
    results: Json


def _whole(recipe: Json, folder: Path) -> Whole:
    """The second of two: the first fills the caches. They agree, or nothing could be compared."""
    file = folder / f"{recipe['name']}.json"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    first, second = folder / f"{file.stem}-first", folder / file.stem
    _to_the_end(file, first)
    start = time.perf_counter()
    _to_the_end(file, second)
    seconds, found = time.perf_counter() - start, results(second)
    if wrong := difference(results(first), found):
        raise RuntimeError(f"{file.stem}: two undisturbed runs differ: {wrong}")
    return Whole(file, seconds, found)


def _to_the_end(recipe: Path, out: Path) -> None:
    said = out.with_suffix(".txt")
    process = command.begun(recipe, out, said)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{out.name} ended with {process.exitcode}: {said.read_text()[-2000:]}")


def _killed(one: Whole, out: Path, most: int, chance: random.Random) -> list[str]:
    """Kill a run again and again until it ends, at most so often; where it was each time."""
    hits = list[str]()
    while len(hits) < most:
        process = command.begun(one.recipe, out, out.with_suffix(".txt"))
        process.join(chance.uniform(0, one.seconds))
        if process.exitcode is None:
            process.kill()
        process.join()
        if process.exitcode == 0:
            return hits
        if process.exitcode != -9:
            raise RuntimeError(out.with_suffix(".txt").read_text()[-2000:])
        hits.append(_stood(out))
    _to_the_end(one.recipe, out)
    return hits


def _stood(out: Path) -> str:
    """Where a run was when it was killed, by what it left."""
    if not (out / "recipe.json").exists():
        return "before it began"
    todo = [name for name in STAGES if not (out / f"checkpoints/{name}/record.json").exists()]
    if not todo:
        return "export and report"
    aside = out / f"checkpoints/.{todo[0]}.part.safetensors"
    if not aside.exists():
        return f"{todo[0]}: before its steps"
    with safe_open(aside, framework="np") as file:
        told = json.loads(file.metadata()["conlst"])
    return f"{todo[0]}: " + ("in its steps" if told["done"] < told["all"] else "after its steps")


def results(out: Path) -> Json:
    """All that a run comes to: the SHA-256 of each stage's files, and the numbers of the report."""
    records = {name: out / f"checkpoints/{name}/record.json" for name in STAGES}
    for line in (out / "events.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line)
    left = sorted(file.name for file in out.rglob(".*") if file.name != ".lock")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {
        "files": {name: json.loads(file.read_text())["files"] for name, file in records.items()},
        "report": _timeless(report),
        "left over": left,
    }


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
