"""The tables of a comparison of runs."""

import json
from typing import Any

from conlst.report.grid import Cell, Grid, grid
from conlst.report.words import NONE, percent, points, stage_name

Json = dict[str, Any]


def runs(compared: Json) -> Grid:
    """What each run is."""
    rows = [
        [
            run["label"],
            run["setting"],
            run["adapt"],
            str(run["seed"]),
            "; ".join(dict.fromkeys(stage_name(name) for name in run["stages"].values()))
            + ("" if run["finished"] else " (not finished)"),
            run["folder"],
        ]
        for run in compared["runs"]
    ]
    header = ["run", "setting", "adapt", "seed", "handed out", "folder"]
    return grid("Runs", header, rows)


def accuracy(compared: Json) -> Grid:
    """Runs by languages, and the average over the languages that all of them test."""
    codes, over = compared["languages"], compared["over"]
    values = [
        [*(run["accuracy"].get(code) for code in codes), _mean(run["accuracy"], over)]
        for run in compared["runs"]
    ]
    best = [
        max((v for v in column if v is not None), default=None)
        for column in zip(*values, strict=True)
    ]
    rows = [
        [
            Cell(run["label"]),
            *(
                Cell(percent(v), "best" if v is not None and v == top else "")
                for v, top in zip(row, best, strict=True)
            ),
        ]
        for run, row in zip(compared["runs"], values, strict=True)
    ]
    note = f"Of the models each run hands out. Average: over {', '.join(over)}."
    return Grid("Accuracy on the test rows (%)", ["run", *codes, "average"], rows, note)


def _mean(values: Json, over: list[str]) -> float:
    return sum(float(values[code]) for code in over) / len(over)


def average(compared: Json) -> Grid:
    """Differences of the average to the first run's, with what chance makes of them."""
    rows = [
        [run["label"], points(cell), _p(cell["p"])]
        for run, told in zip(compared["runs"], compared["differences"], strict=True)
        if (cell := told.get(""))
    ]
    first = compared["runs"][0]["label"]
    header = ["run", "points (95 % interval)", "p"]
    return grid(f"Difference of the average to {first}", header, rows, NOTE)


NOTE = (
    "Paired bootstrap over the ids of the test rows, the same draw for all; p two-sided, corrected "
    "for the number of comparisons in the table (Holm). They tell how much hangs on the choice of "
    "test rows; how much hangs on the seed is told only by runs of several seeds."
)


def by_language(compared: Json) -> Grid:
    """The same, language by language."""
    codes = compared["languages"]
    rows = [
        [run["label"], *(_difference(told.get(code)) for code in codes)]
        for run, told in zip(compared["runs"], compared["differences"], strict=True)
        if told
    ]
    first = compared["runs"][0]["label"]
    return grid(f"Difference to {first}, in points", ["run", *codes], rows, NOTE)


def _difference(cell: Json | None) -> str:
    return f"{points(cell)}, p {_p(cell['p'])}" if cell else NONE


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else f"{value:.3f}".lstrip("0")


def recipe(compared: Json) -> Grid:
    """Where the recipes differ."""
    rows = [[path, *map(_json, values)] for path, values in compared["recipe"].items()]
    header = ["path", *(run["label"] for run in compared["runs"])]
    return grid("What differs in the recipes", header, rows)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cost(compared: Json) -> Grid:
    """Time and effort of each run, all stages together."""
    rows = [[run["label"], *_effort(run["cost"])] for run in compared["runs"]]
    header = ["run", "seconds", "steps", "tokens", "tokens/s", "peak memory MB"]
    return grid("Cost", header, rows)


def _effort(cost: Json) -> list[str]:
    seconds, tokens, memory = cost["seconds"], cost["tokens"], cost["peak_memory"]
    return [
        f"{seconds:.1f}",
        str(cost["steps"]),
        str(tokens),
        f"{tokens / seconds:.0f}" if seconds else NONE,
        NONE if memory is None else f"{memory / 2**20:.0f}",
    ]
