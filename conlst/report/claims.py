"""What the paper claims of adaptation, as tables in which one can check it."""

import math
from collections.abc import Sequence
from typing import Any

from conlst.report.grid import Grid, grid
from conlst.report.words import BANDS, NONE, percent, stage_name

Json = dict[str, Any]


def confident(report: Json) -> Grid:
    """Whether confident rows get more, cleaner and better balanced (Table 4, § 3.3)."""
    first, *later = report["stages"]
    rows = [
        [code, stage_name(stage["name"]), *_moved(first["pool"][code], stage["pool"][code])]
        for stage in later
        for code in stage["pool"]
    ]
    note = (
        "Confident: above .9. Effective classes: how many equally frequent classes would be as "
        f"varied, at most {len(report['classes'])}. Each from the source model to the stage named."
    )
    header = ["language", "from source to", "confident rows", "right %", "effective classes"]
    return grid("Do confident labels get cleaner and more balanced?", header, rows, note)


def _moved(before: Json, after: Json) -> list[str]:
    return [" → ".join(shown) for shown in zip(_confident(before), _confident(after), strict=True)]


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
