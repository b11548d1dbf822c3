"""`report.md`: the report as Markdown, all text from data escaped."""

import re
from collections.abc import Iterable
from typing import Any

from conlst.report import claims, parts, tables
from conlst.report.grid import Cell, Grid
from conlst.report.words import fate, headline, inert, stage_name, withdrawn

Json = dict[str, Any]

_SPECIAL = re.compile(r"[\\`*\[\]|~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
_LINE_START = re.compile(r"^([-+=]|\d+(?=[.)]))")


def markdown(report: Json) -> str:
    """The whole report, headline first."""
    blocks = [
        f"# {_line(report['name'])}",
        _line(headline(report), 5000),
        *_results(report),
        *_stages(report),
        *_across(report),
        *_list("Warnings", report["warnings"]),
        *_list("Notes on the data", report["data"].get("notes") or []),
        "## Data, time and versions",
        *_drawn([tables.data(report), tables.hashes(report), tables.time(report)]),
        *_drawn([tables.versions(report)]),
    ]
    return "\n\n".join(blocks) + "\n"


def escape(text: object, limit: int = 500) -> str:
    r"""Text from data as Markdown that shows it and does nothing.

    Examples:
        >>> print(escape("a|b <i>x</i> `c` self_training-1"))
        a\|b &lt;i&gt;x&lt;/i&gt; \`c\` self_training-1
    """
    line = _SPECIAL.sub(lambda found: "\\" + found[0], inert(text, limit))
    return "".join(_ENTITIES.get(char, char) for char in line)


def _line(text: object, limit: int = 500) -> str:
    """Escaped text at the start of a line, where it must not begin a list, a rule or a heading."""
    return _LINE_START.sub(_tamed, escape(text, limit))


def _tamed(found: re.Match[str]) -> str:
    """A list or rule that would begin here, begun no more."""
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def _results(report: Json) -> list[str]:
    found = [tables.main(report), tables.change(report)]
    found += [tables.main(report, "macro_f1", "Macro-F1 (%)"), tables.groups(report)]
    return ["## Results on the test rows", tables.LEGEND, *_drawn(found)]


def _stages(report: Json) -> list[str]:
    out = []
    for stage in report["stages"]:
        found = tables.of_stage(report, stage)
        broken = withdrawn(stage)
        if found or broken:
            out.append(f"## {_title(stage['name'])}")
        out += [
            f"**{fate(stage, code).capitalize()} ({escape(code)}):** {escape('; '.join(reasons))}"
            for code, reasons in broken.items()
        ]
        out += _drawn(found)
    return out


def _across(report: Json) -> list[str]:
    """What is seen only when stages are compared."""
    found = [claims.confident(report), claims.changed(report)]
    found += [parts.ranking(report), parts.choices(report)]
    drawn = _drawn(found)
    return ["## From stage to stage", *drawn] if drawn else []


def _title(name: str) -> str:
    title = stage_name(name)
    return escape(title[0].upper() + title[1:])


def _drawn(grids: Iterable[Grid]) -> list[str]:
    return [part for grid in grids if grid.rows for part in _draw(grid)]


def _draw(grid: Grid) -> list[str]:
    lines = [
        _row(escape(name, 100) for name in grid.header),
        _row("---:" if figures else "---" for figures in grid.of_figures()),
        *(_row(_cell(cell) for cell in row) for row in grid.rows),
    ]
    note = [_line(grid.note, 2000)] if grid.note else []
    return [f"### {escape(grid.title)}", "\n".join(lines), *note]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = escape(cell.text, 200)
    if cell.mark == "withdrawn":
        return f"~~{text}~~"
    return f"**{text}**" if cell.mark == "best" else text


def _list(title: str, lines: Iterable[object]) -> list[str]:
    items = [f"- {_line(line, 2000)}" for line in lines]
    return [f"## {title}", "\n".join(items)] if items else []
