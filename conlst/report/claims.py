"""What the paper claims of adaptation, as tables in which one can check it."""

import math
from collections.abc import Sequence
from typing import Any

from conlst.report.choice import stages
from conlst.report.grid import Grid, grid
from conlst.report.words import BANDS, NONE, percent, stage_name

Json = dict[str, Any]


def confident(report: Json) -> Grid:
    """Whether confident rows get more, cleaner and better balanced (Table 4, § 3.3)."""
    shown = stages(report)
    rows = [
        [code, *_moved([stage["pool"].get(code) for stage in shown])]
        for code in (report["adapted"] if len(shown) > 1 else [])
    ]
    names = " → ".join(stage_name(stage["name"]) for stage in shown)
    note = (
        f"{names}. Confident: above .9. Effective classes: how many equally frequent classes would "
        f"be as varied, at most {len(report['classes'])}."
    )
    header = ["language", "confident rows", "right %", "effective classes"]
    return grid("Do confident labels get cleaner and more balanced?", header, rows, note)


def _moved(cells: Sequence[Json | None]) -> list[str]:
    told = [[NONE] * 3 if cell is None else _confident(cell) for cell in cells]
    return [" → ".join(column) for column in zip(*told, strict=True)]


def _confident(cell: Json) -> list[str]:
    band = cell["bands"][BANDS[0]]
    varied = effective_classes(cell["class_balance"]["confident"])
    return [
        str(band["n"]),
        percent(band["accuracy"]),
        NONE if varied is None else f"{varied:.1f}",
    ]


def effective_classes(counts: Sequence[int]) -> float | None:
    """exp(H) of the shares of the classes; None without rows.

    Examples:
        >>> effective_classes([5, 5, 0])
        2.0
    """
    total = sum(counts)
    if not total:
        return None
    shares = [n / total for n in counts if n]
    return round(math.exp(-sum(share * math.log(share) for share in shares)), 12)


def changed(report: Json) -> Grid:
    """How many labels changed from the source model to the one handed out, and for the better."""
    rows = [
        [
            code,
            stage_name(cell["to"]),
            str(cell["n"]),
            str(cell["changed"]),
            percent(cell["changed"] / cell["n"] if cell["n"] else None),
            *(NONE if n is None else str(n) for n in map(cell.get, OUTCOMES)),
        ]
        for code, cell in report["changes"].items()
    ]
    header = ["language", "up to", "rows", "changed", "changed %", *OUTCOMES.values()]
    return grid("Labels that changed", header, rows, "From the source model to the one handed out.")


OUTCOMES = {"mended": "wrong to right", "broken": "right to wrong", "still_wrong": "wrong to wrong"}
