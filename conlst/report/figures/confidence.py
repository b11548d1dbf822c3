"""Figs. 3 and 4: right and wrong pseudo-labels by confidence, before and after stage 1."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from conlst.report.choice import with_gold
from conlst.report.figures import canvas
from conlst.report.figures.canvas import FAINT, INK, Drawing
from conlst.report.figures.marks import RIGHT, WRONG
from conlst.report.words import stage_name

Json = dict[str, Any]
NAME, TITLE = "confidence", "Right and wrong pseudo-labels by confidence"


class Panel(NamedTuple):
    """One language before and after a stage, as histograms of `report.json`."""

    name: str
    before: Json
    after: Json


def draw(report: Json) -> Drawing:
    """Fig. 3: a panel a language."""
    before, after, codes, why = with_gold(report)
    if why:
        return Drawing(NAME, TITLE, why)
    found = [panel(code, code, before, after) for code in codes]
    return drawn(found, caption(after["name"]))


def panel(name: str, code: str, before: Json, after: Json) -> Panel:
    """A language's panel, from two stages of a report."""
    return Panel(name, *(stage["pool"][code]["histogram"] for stage in (before, after)))


def caption(after: str) -> str:
    """What to look for."""
    said = stage_name(after)
    return (
        "Unlabelled texts by how sure the model is of its label: upwards as the model "
        f"{said if said.startswith('after') else f'after {said}'} labels them, downwards as the "
        "source model did. Look at the right end, the rows that self-training trusts: adaptation "
        "helped if upwards more of them are right (solid) and fewer are wrong (hatched). (Figs. 3 "
        "and 4 of the CoNLST paper.)"
    )


def drawn(found: Sequence[Panel], text: str, columns: int = 0) -> Drawing:
    """Those panels; in rows of so many, to be compared along each, or of as many as fit."""
    heights = [max(*one.before["n"], *one.after["n"], 1) * 1.35 for one in found]
    if columns:
        rows = [heights[i : i + columns] for i in range(0, len(heights), columns)]
        heights = [max(row) for row in rows for _ in row]
    columns = columns or canvas.COLUMNS
    figure, axes = canvas.panels([one.name for one in found], 1.9, columns, sharex=True)
    first = min(map(_first_bin, found))
    for place, (axis, one) in enumerate(zip(axes, found, strict=True)):
        _fill(axis, one)
        axis.set(ylim=(-heights[place], heights[place]), xlim=(first, 1))
        if place % columns == 0:
            axis.set_ylabel("rows")
    figure.supxlabel("confidence (largest probability)", fontsize=9)
    canvas.key(figure, [("right", Patch(**RIGHT)), ("wrong", Patch(**WRONG))])
    return canvas.drawing(NAME, TITLE, text, figure)


def _first_bin(one: Panel) -> float:
    """Where the leftmost bin with a row begins: there is no confidence below 1 / C."""
    filled = [
        edge
        for histogram in (one.before, one.after)
        for edge, n in zip(histogram["edges"], histogram["n"], strict=False)
        if n
    ]
    return min(filled, default=0.0)


def _fill(axis: Axes, one: Panel) -> None:
    for sign, histogram in ((1, one.after), (-1, one.before)):
        edges = histogram["edges"]
        width = (edges[1] - edges[0]) * 0.88
        left = [edge + (edges[1] - edges[0]) * 0.06 for edge in edges[:-1]]
        clean = [sign * n for n in histogram["clean"]]
        noisy = [sign * n for n in histogram["noisy"]]
        axis.bar(left, clean, width, align="edge", **RIGHT)
        axis.bar(left, noisy, width, bottom=clean, align="edge", **WRONG)
    axis.axhline(0, color=INK, linewidth=0.8)
    axis.grid(axis="x", visible=False)
    axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    for y, said, side in ((0.98, "after", "top"), (0.02, "before", "bottom")):
        axis.text(0.02, y, said, color=FAINT, va=side, transform=axis.transAxes)
