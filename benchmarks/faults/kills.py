"""Runs are killed at random instants, and must end bit for bit where an undisturbed one ends.

A run is put aside after every step here, so that every kind of state is taken up. Four times it is
killed (SIGKILL), each time at a random instant of a random stage, or of its report, and begun again
with the same command; then it may end, and is compared, file by file.
"""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

from safetensors import safe_open

from benchmarks.faults import command

Json = dict[str, Any]
CLOCK = ("seconds", "environment", "peak_memory")
"""What a report holds that the clock and the machine decide."""
REPORT = "export and report"
STAGES = ["source", "contrastive", "self_training-1", "self_training-2"]
PHASES = [*STAGES, REPORT]
EACH = 4
"""Kills of a run."""


def measure(many: int, seed: int, recipes: Mapping[str, Json], folder: Path) -> Json:
    """Kill runs of these recipes, in turn, so many times in all.

    Returns:
        `asked`; `survived`, kills of runs that ended as they should; `runs`, how many those were;
        `where`, how many kills hit which stage at what; `differing`, what is wrong with the others;
        `seconds` of an undisturbed run.
    """
    chance, where, survived = random.Random(seed), Counter[str](), 0
    whole = {name: _whole(recipe, folder) for name, recipe in recipes.items()}
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
        "seconds": {name: round(sum(one.seconds.values()), 1) for name, one in whole.items()},
    }


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed."""

    recipe: Path
    seconds: dict[str, float]
    """Of each phase; the first begins with the process."""
    results: Json


def _whole(recipe: Json, folder: Path) -> Whole:
    """The second of two: the first fills the caches. They agree, or nothing could be compared."""
    file = folder / f"{recipe['name']}.json"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    first, second = folder / f"{file.stem}-first", folder / file.stem
    _to_the_end(file, first)
    times = [time.time()]
    _to_the_end(file, second)
    times += [event["time"] for event in _events(second)]
    if wrong := difference(results(first), found := results(second)):
        raise RuntimeError(f"{file.stem}: two undisturbed runs differ: {wrong}")
    lengths = [after - before for before, after in pairwise(times)]
    return Whole(file, dict(zip(PHASES, lengths, strict=True)), found)


def _to_the_end(recipe: Path, out: Path) -> None:
    said = out.with_suffix(".txt")
    process = command.begun(recipe, out, said)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{out.name} ended with {process.exitcode}: {said.read_text()[-2000:]}")


def _killed(one: Whole, out: Path, most: int, chance: random.Random) -> list[str]:
    """Kill a run some times, at most so often, and let it end; where it was each time."""
    hits = list[str]()
    for phase in sorted(chance.choices(range(len(PHASES)), k=min(EACH, most))):
        process = command.begun(one.recipe, out, out.with_suffix(".txt"))
        while process.is_alive() and PHASES[phase] in _left(out)[1:]:
            time.sleep(0.001)
        process.join(chance.uniform(0, one.seconds[PHASES[phase]]))
        if process.is_alive():
            process.kill()
        process.join()
        if process.exitcode == 0:
            return hits
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(out.with_suffix(".txt").read_text()[-2000:])
        hits.append(_stood(out))
    _to_the_end(one.recipe, out)
    return hits


def _left(out: Path) -> list[str]:
    """What a run has still to do, the next thing first."""
    todo = [name for name in STAGES if not (out / f"checkpoints/{name}/record.json").exists()]
    return [*todo, REPORT]


def _stood(out: Path) -> str:
    """Where a run was when it was killed, by what it left."""
    if not (out / "recipe.json").exists():
        return "before it began"
    name = _left(out)[0]
    aside = out / f"checkpoints/.{name}.part.safetensors"
    if name == REPORT:
        return name
    if not aside.exists():
        return f"{name}: before its steps"
    with safe_open(aside, framework="np") as file:
        told = json.loads(file.metadata()["conlst"])
    return f"{name}: " + ("in its steps" if told["done"] < told["all"] else "after its steps")


def results(out: Path) -> Json:
    """All that a run comes to: the SHA-256 of each stage's files, and the numbers of the report."""
    records = {name: out / f"checkpoints/{name}/record.json" for name in STAGES}
    left = sorted(file.name for file in out.rglob(".*") if file.name != ".lock")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {
        "files": {name: json.loads(file.read_text())["files"] for name, file in records.items()},
        "report": _timeless(report),
        "events": _events(out)[-1]["event"],
        "left over": left,
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
