"""The table of the speed goals, made from the result files and from nothing else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.speed import GOALS
from benchmarks.speed.reasons import REASONS

Result = dict[str, Any]
HEAD = ["goal", "what", "peer", "ours", "asked", "measured", "verdict"]


def tables(results: Path) -> str:
    """A table for every host that was measured."""
    found = [json.loads(path.read_text()) for path in sorted(results.glob("speed-*.json"))]
    return "\n\n".join(table(result) for result in found)


def table(result: Result, reasons: Mapping[str, Mapping[str, str]] = REASONS) -> str:
    """One host's: a line a comparison, then the machine, then what was missed and why."""
    goals = {name: result["goals"][name] for name in GOALS if name in result["goals"]}
    rows = [HEAD, ["---:", "---", "---", "---", "---:", "---:", "---"]]
    rows += [_cells(GOALS[name], line) for name, goal in goals.items() for line in goal["lines"]]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    parts = ["\n".join(lines), _machine(result)]
    told = reasons.get(result["host"], {})
    parts += [_missed(name, goal, told) for name, goal in goals.items() if _misses(goal)]
    return "\n\n".join(parts)


def _cells(number: int, line: Result) -> list[str]:
    asked = f"{line['bound']} {_number(line['asked'])}{_unit(line)}"
    measured = f"{_number(line['value'])}{_unit(line)}"
    if len(line["values"]) > 1:
        measured += f" ({_number(line['low'])} to {_number(line['high'])})"
    verdict = line["verdict"] if line["verdict"] == "met" else f"**{line['verdict']}**"
    return [str(number), line["what"], line["peer"], line["ours"], asked, measured, verdict]


def _unit(line: Result) -> str:
    unit: str = line["unit"]
    return unit if unit in ("", "x") else f" {unit}"


def _number(value: float) -> str:
    """Three digits, and no more zeros than that.

    Examples:
        >>> _number(11.8374), _number(0.4512), _number(1e-05), _number(20), _number(1234.5)
        ('11.8', '0.451', '1e-05', '20', '1234')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _machine(result: Result) -> str:
    machine, rates = result["machine"], result["machine"]["gemm_gflops"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    dates = sorted({goal["date"] for goal in result["goals"].values()})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    texts = "XNLI's dev rows" if result["setting"]["bed"] else "SIB-200's sentences"
    return (
        f"{_with_gpu(machine)}, {machine['cores']} cores, {machine['threads']} thread, "
        f"{machine['simd']}; a matrix product runs at {rates['fp32']:.0f} GF/s in fp32 and "
        f"{rates['bf16']:.0f} GF/s in bf16. {versions}. Seed {result['setting']['seed']}, {when}; "
        f"texts: {texts} in five languages. A ratio is the median of those of "
        f"{result['setting']['rounds']} rounds, the least and the largest in brackets; seconds are "
        f"{_clock(machine)} unless a line says otherwise."
    )


def _with_gpu(machine: Result) -> str:
    return f"{machine['gpu']}, with {machine['cpu']}" if "gpu" in machine else machine["cpu"]


def _clock(machine: Result) -> str:
    return "by the wall, the GPU waited for" if "gpu" in machine else "of the process's CPU time"


def _misses(goal: Result) -> bool:
    return any(line["verdict"] == "missed" for line in goal["lines"])


def _missed(name: str, goal: Result, reasons: Mapping[str, str]) -> str:
    misses = sum(line["verdict"] == "missed" for line in goal["lines"])
    why = reasons.get(name, "no reason was written down yet.")
    return f"Goal {GOALS[name]} misses {misses} of {len(goal['lines'])} lines: {why}"
