"""The reliability diagram: how often a model is right when it is so sure."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from conlst.report.choice import NO_GOLD, gold_codes, stages
from conlst.report.figures import canvas
from conlst.report.figures.canvas import FAINT, Drawing
from conlst.report.figures.marks import MARKS
from conlst.report.words import NONE, percent, stage_name

Json = dict[str, Any]
NAME, TITLE = "reliability", "Can the confidence be believed?"
FEWEST = 5
CAPTION = (
    "Unlabelled texts in steps of confidence: how many of them are right, against how sure the "
    "model was. On the dashed line confidence can be taken at its word; below it the model is too "
    f"sure of itself, and a threshold lets in more wrong labels than it says. Steps with fewer "
    f"than {FEWEST} texts are left out. The numbers are expected calibration errors, in points, in "
    "the order of the stages."
)


def draw(report: Json) -> Drawing:
    """A panel a language, a line a stage."""
    shown = stages(report)
    codes = gold_codes(shown[0])
    if not codes:
        return Drawing(NAME, TITLE, NO_GOLD)
    figure, axes = canvas.panels(codes, 2.0, sharey=True, sharex=True)
    for axis, code in zip(axes, codes, strict=True):
        _fill(axis, [stage["pool"].get(code) for stage in shown])
    figure.supxlabel("confidence, %", fontsize=9)
    figure.supylabel("right, %", fontsize=9)
    canvas.key(
        figure,
        [
            (stage_name(stage["name"]), Line2D([], [], **look))
            for stage, look in zip(shown, MARKS, strict=False)
        ],
    )
    return canvas.drawing(NAME, TITLE, CAPTION, figure)


def _fill(axis: Axes, cells: list[Json | None]) -> None:
    axis.plot([0, 100], [0, 100], color=FAINT, linestyle=(0, (4, 3)), linewidth=0.8)
    for cell, look in zip(cells, MARKS, strict=False):
        if cell is not None:
            points = _points(cell["histogram"])
            axis.plot([sure for sure, _ in points], [right for _, right in points], **look)
    said = " → ".join(NONE if c is None else percent(c["calibration_error"]) for c in cells)
    axis.text(0.03, 0.97, said, va="top", transform=axis.transAxes)
    axis.set(xlim=(0, 100), ylim=(0, 100), xticks=(0, 50, 100), yticks=(0, 50, 100))


def _points(histogram: Json) -> list[tuple[float, float]]:
    bins = zip(histogram["confidence"], histogram["clean"], histogram["n"], strict=True)
    return [(100 * sure, 100 * clean / n) for sure, clean, n in bins if n >= FEWEST]
