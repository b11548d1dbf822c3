"""`report.html`: the report as one page, for somebody who has not read the paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conlst.report import claims, html, parts, tables
from conlst.report.choice import stage_1
from conlst.report.grid import Grid
from conlst.report.words import (
    NONE,
    fate,
    headline,
    nothing_adapted,
    percent,
    stage_name,
    withdrawn,
)

if TYPE_CHECKING:
    from conlst.report.changes import ChangedRow
    from conlst.report.figures.canvas import Drawing

Json = dict[str, Any]

SHOWN = 500
"""Changed rows a language in the page, and"""
SHOWN_IN_ALL = 3000
"""in all languages together; the run folder keeps every one."""


def page(
    report: Json,
    figures: "Mapping[str, Drawing]",
    changed: "Mapping[str, Sequence[ChangedRow]]",
) -> str:
    """The whole page.

    Args:
        report: what `report.json` holds
        figures: by name
        changed: by language, the rows whose label changed
    """
    given = {
        "report": report,
        "headline": headline(report),
        "facts": _facts(report),
        "broken": _broken(report),
        "legend": tables.LEGEND,
        "figures": figures,
        "grids": _grids(report),
        "rows": _rows(report, changed),
        "lists": [
            ("Warnings", report["warnings"]),
            ("Notes on the data", report["data"].get("notes") or []),
        ],
    }
    return html.filled("page.html", report["name"], given, percent=percent, outcome=_outcome)


def summary(report: Json, place: Path) -> str:
    """The first paragraph and the main table, for a notebook."""
    given = {"headline": headline(report), "main": tables.main(report), "page": str(place)}
    return html.part("summary.html", given)


def _facts(report: Json) -> list[tuple[str, str]]:
    how = {"joint": "one model for all targets", "per_language": "one model a target"}
    adapted = f"{', '.join(report['adapted']) or 'nothing'} ({how[report['adapt']]})"
    return [
        ("setting", report["setting"]),
        ("labelled", report["source_language"]),
        ("adapted to", "nothing" if nothing_adapted(report) else adapted),
        ("classes", ", ".join(report["classes"])),
        ("seed", f"{report['seed']} (one run: how much hangs on the seed is not shown here)"),
        ("conlst", report["conlst"]),
    ]


def _broken(report: Json) -> list[str]:
    return [
        f"{stage_name(stage['name'])}, {code}: {fate(stage, code)}. {'; '.join(reasons)}"
        for stage in report["stages"]
        for code, reasons in withdrawn(stage).items()
    ]


def _grids(report: Json) -> dict[str, Grid | list[Grid]]:
    stages, classes = report["stages"], report["classes"]
    loops = [stage for stage in stages if "selection" in stage]
    first = stage_1(report) or stages[0]
    f1 = tables.main(report, "macro_f1", "Macro-F1 (%)")
    told = [grid for stage in stages for grid in parts.translations(stage)]
    return {
        "main": tables.main(report),
        "results": [tables.change(report), f1, tables.groups(report)],
        "confident": claims.confident(report),
        "bands": [tables.bands(first)],
        "stage_1": [tables.complement(first), parts.negatives(first)],
        "balance": [_of(stage, tables.balance(stage, classes)) for stage in stages],
        "selection": [_of(stage, tables.selection(stage, classes)) for stage in loops],
        "parts": [*told, *(_of(stage, parts.criterion(stage)) for stage in loops[-1:])],
        "pool": [_of(stage, tables.pool(stage)) for stage in stages],
        "ranking": parts.ranking(report),
        "choices": parts.choices(report),
        "changed": claims.changed(report),
        "time": tables.time(report),
        "data": tables.data(report),
        "versions": [tables.versions(report), tables.hashes(report)],
    }


def _of(stage: Json, grid: Grid) -> Grid:
    """A table of one stage among those of others."""
    return grid._replace(title=f"{grid.title}: {stage_name(stage['name'])}")


def _rows(report: Json, changed: "Mapping[str, Sequence[ChangedRow]]") -> list[Json]:
    most = min(SHOWN, SHOWN_IN_ALL // max(len(changed), 1))
    return [
        {
            "language": code,
            "n": report["changes"][code]["n"],
            "total": len(rows),
            "shown": rows[:most],
        }
        for code, rows in changed.items()
        if rows
    ]


def _outcome(row: "ChangedRow") -> str:
    """What became of a changed row, in words one can search for."""
    if row.gold is None:
        return NONE
    if row.after == row.gold:
        return "mended"
    return "broken" if row.before == row.gold else "still wrong"
