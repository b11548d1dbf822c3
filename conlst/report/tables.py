"""The tables of a report as plain strings; pages and terminals only draw them."""

from collections.abc import Sequence
from typing import Any

from conlst.report import parts
from conlst.report.grid import Cell, Grid, grid
from conlst.report.words import (
    BANDS,
    NONE,
    fate,
    percent,
    points,
    reasons_of,
    stage_name,
    withdrawn,
)

Json = dict[str, Any]
LEGEND = (
    "Bold: the best stage of the column. Struck through: the model collapsed or was rolled back, "
    "so the figure is no result. Targets: the average over all languages but the source language. "
    f"{NONE}: no figure (no test rows, or no model for the language)."
)
AVERAGES = {"average": "average", "average_targets": "targets"}


def main(report: Json, figure: str = "accuracy", title: str = "Accuracy (%)") -> Grid:
    """Stages by languages and averages. A withdrawn stage is marked and never the best.

    Where languages ended at different stages, the last row is of the models that are handed out.
    """
    codes, shown = report["languages"], _shown(report)
    columns = [
        *([_language_cell(stage, code, figure) for stage in shown] for code in codes),
        *([_average_cell(stage, report, key, figure) for stage in shown] for key in AVERAGES),
    ]
    names = [Cell(_row_name(stage)) for stage in shown]
    rows = [list(row) for row in zip(names, *map(_with_best, columns), strict=True)]
    return Grid(title, ["stage", *codes, *AVERAGES.values()], rows, _over_note(report))


def _shown(report: Json) -> list[Json]:
    stages: list[Json] = report["stages"]
    ends = set(report["handed_out"]["stages"].values())
    return stages if len(ends) < 2 else [*stages, report["handed_out"] | {"name": "handed out"}]


def _row_name(stage: Json) -> str:
    broken, known = withdrawn(stage), [c for c in stage["languages"].values() if c["n"]]
    if not broken:
        return stage_name(stage["name"])
    which = "" if len(broken) >= len(known) else f": {', '.join(broken)}"
    return f"{stage_name(stage['name'])} ({fate(stage)}{which})"


Valued = tuple[float | None, Cell, bool]
"""A value, its cell, and whether it may be called the best of its column."""


def _language_cell(stage: Json, code: str, figure: str) -> Valued:
    cell = stage["languages"][code]
    value = cell[figure]
    broken = bool(reasons_of(cell)) and value is not None
    return value, Cell(percent(value), "withdrawn" if broken else ""), not broken


def _average_cell(stage: Json, report: Json, key: str, figure: str) -> Valued:
    average = stage[key]
    value, broken = average[figure], bool(average["withdrawn"])
    alike = average["over"] == report["stages"][0][key]["over"]
    text = percent(value) + ("" if alike or value is None else " *")
    return value, Cell(text, "withdrawn" if broken else ""), alike and not broken


def _with_best(column: Sequence[Valued]) -> list[Cell]:
    values = [value for value, _, comparable in column if comparable and value is not None]
    if len(values) < 2:
        return [cell for _, cell, _ in column]
    return [
        Cell(cell.text, "best") if comparable and value == max(values) else cell
        for value, cell, comparable in column
    ]


def _over_note(report: Json) -> str:
    """Which averages are over other languages than the source stage's."""
    first = report["stages"][0]["average"]["over"]
    said = [
        f"{stage_name(stage['name'])}: {', '.join(stage['average']['over']) or 'none'}"
        for stage in report["stages"]
        if stage["average"]["over"] != first
    ]
    if not said:
        return ""
    return (
        "* averages over other languages than those of the source stage, so not to be compared "
        f"with it directly; over {'; '.join(said)}."
    )


def change(report: Json) -> Grid:
    """Differences of accuracy to the source stage, over the same test rows."""
    rows = [
        [
            Cell(_row_name(stage)),
            *(_change_cell(cell, bool(reasons_of(cell))) for cell in stage["languages"].values()),
            *(_change_cell(stage[key], bool(stage[key]["withdrawn"])) for key in AVERAGES),
        ]
        for stage in _shown(report)[1:]
    ]
    note = (
        "95 % intervals of a paired bootstrap over the ids of the test rows (the same draw in "
        "every language and stage). They tell how much hangs on the choice of test rows, not "
        "on the seed."
    )
    header = ["stage", *report["languages"], *AVERAGES.values()]
    return Grid("Change from the source model (points of accuracy)", header, rows, note)


def _change_cell(cell: Json, broken: bool) -> Cell:
    text = points(cell["difference"])
    return Cell(text, "withdrawn" if broken and text != NONE else "")


def groups(report: Json) -> Grid:
    """Accuracy by group, averaged over the languages that have the group."""
    stages = report["stages"]
    names = sorted(
        {
            name
            for stage in stages
            for cell in stage["languages"].values()
            for name in cell["groups"] or {}
        }
    )
    rows = [[Cell(name), *(_group_cell(stage, name) for stage in stages)] for name in names]
    header = ["group", *(_row_name(stage) for stage in stages)]
    return Grid("Accuracy by group (%), averaged over languages", header, rows)


def _group_cell(stage: Json, name: str) -> Cell:
    cells = [cell for cell in stage["languages"].values() if name in (cell["groups"] or {})]
    if not cells:
        return Cell(NONE)
    mean = sum(cell["groups"][name]["accuracy"] for cell in cells) / len(cells)
    return Cell(percent(mean), "withdrawn" if any(map(reasons_of, cells)) else "")


def of_stage(report: Json, stage: Json) -> list[Grid]:
    """What a stage made of the pool: all its tables that have a row."""
    first = next((s["name"] for s in report["stages"] if s["name"] == "contrastive"), "source")
    found = [pool(stage)]
    if stage["name"] == first:
        found.append(bands(stage))
    found.append(balance(stage, report["classes"]))
    found += [complement(stage), parts.negatives(stage), curve(stage)]
    found += [
        selection(stage, report["classes"]),
        *parts.translations(stage),
        parts.criterion(stage),
    ]
    return [one for one in found if one.rows]


def pool(stage: Json) -> Grid:
    """Quality of the pseudo-labels after a stage."""
    rows = [
        [
            code,
            str(cell["n"]),
            percent(cell["accuracy"]),
            percent(cell["calibration_error"]),
            percent(cell["changed"]),
        ]
        for code, cell in stage["pool"].items()
    ]
    header = ["language", "rows", "accuracy %", "calibration error %", "labels changed %"]
    return grid("Pseudo-labels of the pool", header, rows)


def bands(stage: Json) -> Grid:
    """Table 4: rows and accuracy in three bands of confidence, before and after the stage."""
    with_before = any("bands_before" in cell for cell in stage["pool"].values())
    keys = ["bands_before", "bands"] if with_before else ["bands"]
    rows = [
        [
            code,
            said,
            *(text for key in keys for text in _band(cell.get(key, {}).get(band))),
        ]
        for code, cell in stage["pool"].items()
        for band, said in zip(BANDS, ("above .9", ".5 to .9", "below .5"), strict=True)
    ]
    when = ["before", "after"] if with_before else ["now"]
    header = [
        "language",
        "confidence",
        *(f"{what} {w}" for w in when for what in ("rows", "right %")),
    ]
    return grid("Rows and accuracy by confidence", header, rows)


def _band(cell: Json | None) -> tuple[str, str]:
    return (str(cell["n"]), percent(cell["accuracy"])) if cell else (NONE, NONE)


def balance(stage: Json, classes: Sequence[str]) -> Grid:
    """Rows a class: predicted, predicted with confidence, gold."""
    rows = []
    for code, cell in stage["pool"].items():
        gold = cell["gold_balance"] or [None] * len(classes)
        counts = zip(
            cell["class_balance"]["all"], cell["class_balance"]["confident"], gold, strict=True
        )
        rows.append([code, *(f"{a} / {b} / {NONE if g is None else g}" for a, b, g in counts)])
    note = "Rows labelled so / of these with confidence above .9 / rows of the class by gold."
    return grid("Class balance of the pool", ["language", *classes], rows, note)


def complement(stage: Json) -> Grid:
    """How often stage 1 was told that a row is not what it is."""
    rows = [
        [code, str(c["anchors"]), percent(c["error_rate"]), percent(c["estimated_error_rate"])]
        for code, c in stage.get("complement", {}).items()
    ]
    header = ["language", "anchors", "wrong %", "wrong by the model's own estimate %"]
    note = "A complementary label says what a row is not; it is wrong where that is the truth."
    return grid("Complementary labels", header, rows, note)


def curve(stage: Json) -> Grid:
    """Fig. 5: accuracy on pool rows during stage 1."""
    curves = {
        code: {point["step"]: point["accuracy"] for point in line}
        for code, line in stage.get("curve", {}).items()
        if any(point["accuracy"] is not None for point in line)
    }
    steps = sorted({step for line in curves.values() for step in line})
    rows = [[str(step), *(percent(line.get(step)) for line in curves.values())] for step in steps]
    return grid("Accuracy on pool rows during the stage (%)", ["step", *curves], rows)


def selection(stage: Json, classes: Sequence[str]) -> Grid:
    """What self-training took for training: when the iteration began, or online at last."""
    rows = [
        [
            code,
            str(cell["n"]),
            percent(cell["coverage"]),
            percent(cell["precision"]),
            *map(str, cell["class_balance"]),
        ]
        for code, cell in stage.get("selection", {}).items()
    ]
    header = ["language", "rows taken", "of the pool %", "right %", *classes]
    return grid("Pseudo-labelled rows trained on", header, rows)


def data(report: Json) -> Grid:
    """Sizes and overlaps of the data."""
    rows = [
        [
            code,
            *(NONE if facts.get(key) is None else str(facts[key]) for key in ("pool", "test")),
            percent(facts.get("test_in_pool")),
            percent(facts.get("ids_in_source")),
        ]
        for code, facts in report["data"].get("languages", {}).items()
    ]
    header = [
        "language",
        "pool rows",
        "test rows",
        "test texts in the pool %",
        "pool ids also in the source %",
    ]
    return grid("Sizes and overlaps", header, rows)


def hashes(report: Json) -> Grid:
    """Hashes of the files that were read."""
    rows = [[str(name), str(value)] for name, value in report["data"].get("hashes", {}).items()]
    return grid("Files", ["file", "hash"], rows)


def time(report: Json) -> Grid:
    """Time and effort of each stage, by model."""
    rows = [
        [stage_name(stage["name"]), NONE if code == "all" else code, *_effort(record)]
        for stage in report["stages"]
        for code, record in stage["records"].items()
    ]
    header = ["stage", "language", "seconds", "steps", "tokens", "tokens/s", "padding %"]
    header += ["peak memory MB", "source accuracy %"]
    note = "Peak memory: the most the process had held by then; on a GPU, of the GPU's."
    return grid("Time", header, rows, note)


def _effort(record: Json) -> list[str]:
    seconds, tokens, memory = record["seconds"], record["tokens"], record["peak_memory"]
    return [
        NONE if seconds is None else f"{seconds:.1f}",
        NONE if record["steps"] is None else str(record["steps"]),
        NONE if tokens is None else str(tokens),
        f"{tokens / seconds:.0f}" if seconds and tokens else NONE,
        percent(record["padding"]),
        NONE if memory is None else f"{memory / 2**20:.0f}",
        percent(record["source_dev"]),
    ]


def versions(report: Json) -> Grid:
    """Versions and machine."""
    rows = [
        [
            str(key),
            ", ".join(f"{k} {v}" for k, v in value.items())
            if isinstance(value, dict)
            else str(value),
        ]
        for key, value in {
            "conlst": report["conlst"],
            "seed": report["seed"],
            **report["environment"],
        }.items()
    ]
    return grid("Environment", ["what", "value"], rows)
