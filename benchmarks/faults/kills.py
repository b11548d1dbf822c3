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
from itertools import cycle
from pathlib import Path
from typing import Any

from safetensors import safe_open

from benchmarks.faults import command
from benchmarks.faults.whole import (
    PHASES,
    REPORT,
    Whole,
    difference,
    left,
    results,
    to_the_end,
    undisturbed,
)

Json = dict[str, Any]
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
    whole = {name: undisturbed(recipe, folder) for name, recipe in recipes.items()}
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


def _killed(one: Whole, out: Path, most: int, chance: random.Random) -> list[str]:
    """Kill a run some times, at most so often, and let it end; where it was each time."""
    hits = list[str]()
    for phase in sorted(chance.choices(range(len(PHASES)), k=min(EACH, most))):
        process = command.begun(one.recipe, out, out.with_suffix(".txt"))
        while process.is_alive() and PHASES[phase] in left(out)[1:]:
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
    to_the_end(one.recipe, out)
    return hits


def _stood(out: Path) -> str:
    """Where a run was when it was killed, by what it left."""
    if not (out / "recipe.json").exists():
        return "before it began"
    name = left(out)[0]
    aside = out / f"checkpoints/.{name}.part.safetensors"
    if name == REPORT:
        return name
    if not aside.exists():
        return f"{name}: before its steps"
    with safe_open(aside, framework="np") as file:
        told = json.loads(file.metadata()["conlst"])
    return f"{name}: " + ("in its steps" if told["done"] < told["all"] else "after its steps")
