"""The tables of the READMEs, made from the result files and from nothing else."""

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.speed.table import tables as speed

HERE = Path(__file__).parent
Result = dict[str, Any]


def write() -> None:
    """Put each study's table between its markers, here and in the README at the root."""
    for readme in (HERE / "README.md", HERE.parent / "README.md"):
        text = readme.read_text(encoding="utf-8")
        for study, table in studies().items():
            text = put(text, study, table)
        readme.write_text(text, encoding="utf-8")


def studies() -> dict[str, str]:
    """The table of every study, from its result files."""
    results = [json.loads(p.read_text()) for p in sorted((HERE / "results").glob("xnli-mini-*"))]
    found = {"xnli-mini": accuracy(results) if results else "", "speed": speed(HERE / "results")}
    return {study: table or "No result file is there." for study, table in found.items()}


def put(text: str, study: str, table: str) -> str:
    """A text with the table between the study's markers; one without markers stays as it is."""
    before, opening, rest = text.partition(f"<!-- {study} -->")
    _, closing, after = rest.partition(f"<!-- /{study} -->")
    return f"{before}{opening}\n{table}\n{closing}{after}" if opening and closing else text


def accuracy(results: list[Result]) -> str:
    """Mean and standard deviation over seeds of test accuracy, a row a stage."""
    languages = results[0]["languages"]
    names = list(dict.fromkeys(stage["name"] for r in results for stage in r["stages"]))
    seeds = ", ".join(str(r["seed"]) for r in results)
    head = ["stage", *languages, "targets", "seeds"]
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    whole = results[0]["stages"][0]["average_targets"]["over"]
    for name in names:
        found = [stage for r in results for stage in r["stages"] if stage["name"] == name]
        sound = {code: [_sound(stage["languages"][code]) for stage in found] for code in languages}
        cells = [_spread(values) for values in sound.values()]
        average = _spread([_average(stage, whole) for stage in found])
        lines.append(_row([name, *cells, average, str(len(found))]))
    setting = results[0]["setting"]
    return "\n".join(lines) + f"\n\nSeeds {seeds}; {setting}; mean and standard deviation, in %."


def _average(stage: Result, whole: list[str]) -> float | None:
    """The average over the targets, if all of them are there and none collapsed."""
    average = stage["average_targets"]
    gone = average.get("withdrawn", average.get("collapsed"))  # older results know collapses only
    sound = average["over"] == whole and not gone
    return average["accuracy"] if sound else None


def _sound(cell: Result) -> float | None:
    """A cell's accuracy; a collapsed model, or one that was rolled back, has none."""
    return None if cell["collapse"] or cell.get("rolled_back") else cell["accuracy"]


def _spread(values: list[float | None]) -> str:
    """Mean and standard deviation; how many were left out is said, never hidden."""
    there = [100 * value for value in values if value is not None]
    if not there:
        return "-"
    spread = f" ± {stdev(there):.1f}" if len(there) > 1 else ""
    missing = f" ({len(there)} of {len(values)})" if len(there) < len(values) else ""
    return f"{mean(there):.1f}{spread}{missing}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
