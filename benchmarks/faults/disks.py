"""The disk gives up in the middle of a run: one message, nothing half-written, and it goes on.

From one of the many writes on that a run makes, chosen at random, the disk is full, read-only or
broken. A stage that cannot be put aside while it trains warns and goes on; at the first thing that
must be kept, the command must end with exit code 2 and say which file could not be written. Begun
again on a sound disk, it must end bit for bit where an undisturbed run ends.
"""

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.faults import command
from benchmarks.faults.command import ERRORS
from benchmarks.faults.whole import difference, left, results, to_the_end, undisturbed

Json = dict[str, Any]
WRITES = 200
"""Flushes; a run makes some more: for a snapshot after every step, and for all that it keeps."""


def measure(many: int, seed: int, recipes: Mapping[str, Json], folder: Path) -> Json:
    """Let the disk give up in so many runs of these recipes, in turn.

    Returns:
        `asked`; `survived`; `where`, how many runs met which error, and in which stage they ended;
        `differing`, what is wrong with the others.
    """
    chance, where, differing = random.Random(seed), Counter[str](), list[str]()
    whole = [undisturbed(recipe, folder) for recipe in recipes.values()]
    for number in range(many):
        one, out, said = whole[number % len(whole)], folder / f"disk-{number}", folder / "said.txt"
        said.unlink(missing_ok=True)
        error, at = chance.choice(ERRORS), chance.randint(1, WRITES)
        process = command.begun(one.recipe, out, said, (error, at))
        process.join()
        text = " ".join(said.read_text(encoding="utf-8").split())
        where[f"{error}: {left(out)[0]}"] += 1
        if process.exitcode != 2 or "cannot be written" not in text or "Traceback" in text:
            differing.append(f"{error} at write {at}: exit code {process.exitcode}, {text[-300:]}")
            continue
        to_the_end(one.recipe, out)
        if wrong := difference(one.results, results(out)):
            differing.append(f"{error} at write {at}: {wrong}")
    told = {"asked": many, "survived": many - len(differing), "where": dict(sorted(where.items()))}
    return told | {"differing": differing}
