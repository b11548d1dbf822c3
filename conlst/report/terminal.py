"""The report in a terminal: headline, main table, what changed, warnings."""

from collections.abc import Sequence
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from conlst.report import compare_tables, parts, tables
from conlst.report.grid import Cell, Grid
from conlst.report.words import fate, headline, inert, points, stage_name

Json = dict[str, Any]

WIDE = 6
"""Languages side by side; more go into further tables, so that no figure is cut."""
WARNINGS = 5
_STYLES = {"": "", "best": "bold green", "withdrawn": "strike red"}


def table(report: Json, told: Sequence[str] = ()) -> RenderableType:
    """What to print when a run ends. All of it stands in `Text`, which reads no markup.

    Args:
        report: what report.json holds.
        told: warnings that were printed while one waited, which are not printed again.
    """
    main = tables.main(report)
    shown: list[RenderableType] = [Text(inert(headline(report), 5000)), Text()]
    shown += [_drawn(part) for part in _cut(main, len(report["languages"]))]
    if main.note:
        shown.append(Text(inert(main.note, 2000), "dim"))
    shown += _changes(report)
    return Group(*shown, *_warnings([line for line in report["warnings"] if line not in told]))


def prepared(path: str, told: Json) -> RenderableType:
    """What the augmenter at `path` of a recipe prepared."""
    found = parts.prepared(path, told)
    return Group(_drawn(found), Text(inert(found.note, 2000), "dim"))


def compared(found: Json) -> RenderableType:
    """Accuracies of several runs, and their differences to the first."""
    main, change = compare_tables.accuracy(found), compare_tables.average(found)
    shown: list[RenderableType] = []
    for part in [*_cut(main, len(found["languages"])), change]:
        shown += [_drawn(part), Text(inert(part.note, 2000), "dim")]
    return Group(*shown)


def _cut(grid: Grid, languages: int) -> list[Grid]:
    """The same in several tables of few languages each, the averages in the last."""
    out = []
    for start in range(1, languages + 1, WIDE):
        stop = min(start + WIDE, languages + 1)
        columns = [0, *range(start, stop)]
        if stop > languages:
            columns += range(stop, len(grid.header))
        rows = [[row[i] for i in columns] for row in grid.rows]
        note = grid.note if stop > languages else ""
        out.append(Grid(grid.title, [grid.header[i] for i in columns], rows, note))
    return out


def _drawn(grid: Grid) -> Table:
    drawn = Table(title=Text(inert(grid.title)), title_justify="left", box=SIMPLE_HEAD)
    for name, figures in zip(grid.header, grid.of_figures(), strict=True):
        justify: Literal["left", "right"] = "right" if figures else "left"
        drawn.add_column(Text(inert(name, 60)), justify=justify, no_wrap=figures)
    for row in grid.rows:
        drawn.add_row(*map(_text, row))
    return drawn


def _text(cell: Cell) -> Text:
    text = Text(inert(cell.text, 60), _STYLES[cell.mark])
    return text.append(" x", "red") if cell.mark == "withdrawn" else text


def _changes(report: Json) -> list[RenderableType]:
    """Change of the targets' average, with its interval; a withdrawn one is said to be none."""
    return [
        _change(stage, report["stages"][0], key)
        for stage in report["stages"][1:]
        for key in ["average_targets" if stage["average_targets"]["over"] else "average"]
        if stage[key]["difference"]
    ]


def _change(stage: Json, source: Json, key: str) -> Text:
    average = stage[key]
    text = (
        f"{stage_name(stage['name'])}: {points(average['difference'])} points from zero-shot, "
        "95 % interval"
    )
    if average["over"] != source[key]["over"]:
        text += f", over {', '.join(average['over'])} only"
    if average["withdrawn"]:
        return Text(f"{text} ({fate(stage)}: no result)", "red")
    return Text(text)


def _warnings(lines: Sequence[str]) -> list[RenderableType]:
    out: list[RenderableType] = [
        Text(f"warning: {inert(line)}", "yellow") for line in lines[:WARNINGS]
    ]
    if len(lines) > WARNINGS:
        out.append(Text(f"... and {len(lines) - WARNINGS} more in report.md", "yellow"))
    return out
