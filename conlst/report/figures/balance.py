"""Class balance: how often each class is predicted, beside how often it is true."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from conlst.report.choice import stages
from conlst.report.figures import canvas
from conlst.report.figures.canvas import Drawing
from conlst.report.figures.marks import ALONE, MARKS, TRUTH
from conlst.report.words import inert, stage_name

Json = dict[str, Any]
NAME, TITLE = "balance", "Class balance of the pseudo-labels"
CAPTION = (
    "How many of the unlabelled texts each model takes for each class. A model that forgets a "
    "class pulls its marks to the left, one that overuses it to the right; the marks should close "
    "in on the upright line, the share of texts that are of the class, where gold is known."
)


def draw(report: Json) -> Drawing:
    """A panel a language, a row a class."""
    shown, codes = stages(report), report["adapted"]
    if not codes:
        return Drawing(NAME, TITLE, "Left out: nothing was adapted.")
    classes = [inert(name, 18) for name in report["classes"]]
    height = max(1.5, 0.45 + 0.2 * len(classes))
    figure, axes = canvas.panels(codes, height, sharey=True, sharex=True)
    for axis, code in zip(axes, codes, strict=True):
        _fill(axis, [stage["pool"].get(code) for stage in shown], len(classes))
    axes[0].set_xlim(left=0)
    axes[0].set_yticks(range(len(classes)), classes)
    axes[0].invert_yaxis()
    figure.supxlabel("share of the rows, %", fontsize=9)
    entries = [
        (stage_name(stage["name"]), Line2D([], [], **look | ALONE))
        for stage, look in zip(shown, MARKS, strict=False)
    ]
    if any(cell["gold_balance"] for cell in shown[0]["pool"].values()):
        entries.append(("truth", Line2D([], [], **TRUTH)))
    canvas.key(figure, entries)
    return canvas.drawing(NAME, TITLE, CAPTION, figure)


def _fill(axis: Axes, cells: list[Json | None], classes: int) -> None:
    for cell, look in zip(cells, MARKS, strict=False):
        if cell is not None:
            shares = _shares(cell["class_balance"]["all"])
            axis.plot(shares, range(classes), **look | ALONE)
    first = cells[0] or {}
    if first.get("gold_balance"):
        axis.plot(_shares(first["gold_balance"]), range(classes), **TRUTH)


def _shares(counts: list[int]) -> list[float]:
    return [100 * n / max(sum(counts), 1) for n in counts]
