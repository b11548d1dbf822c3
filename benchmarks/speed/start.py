"""Goal 9: `conlst --help` from nothing, by the wall clock, and what it must not import."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.speed.rounds import Line, alternate, duration
from benchmarks.speed.setting import Setting

HEAVY = ("torch", "transformers", "datasets", "numpy", "faiss")
EAGER = "import torch, transformers, datasets, numpy"
LOADED = """
import json, sys
from conlst.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Whole processes in turn."""
    setting = Setting.of(told)
    eager = {"eager imports": _process("-c", EAGER)} if not setting.quick else {}
    arms = {"conlst --help": _process("-m", "conlst", "--help"), **eager}
    seconds = alternate(arms, max(setting.rounds, 1), clock=time.perf_counter)
    peer = " ".join(f"{name}: {duration(median(seconds[name]))}" for name in eager)
    ours = f"conlst --help: {duration(median(seconds['conlst --help']))}"
    found = sorted(_loaded() & set(HEAVY))
    lines = [
        Line("start, wall clock", peer or "-", ours, seconds["conlst --help"], 0.3, "<=", "s"),
        Line(
            f"modules it loads of {', '.join(HEAVY)}",
            "-",
            f"conlst --help: {', '.join(found) or 'none'}",
            [float(len(found))],
            0,
            "<=",
            "",
        ),
    ]
    return [line.json() for line in lines]


def _process(*arguments: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)

    return run


def _loaded() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))
