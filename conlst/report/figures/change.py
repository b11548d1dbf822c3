"""What adaptation gained or lost on the test rows, with its interval."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from conlst.report.figures import canvas
from conlst.report.figures.canvas import INK, Drawing
from conlst.report.figures.marks import ALONE, MARKS
from conlst.report.words import reasons_of, stage_name

Json = dict[str, Any]
NAME, TITLE = "change", "Change of test accuracy from the model before adaptation"
CAPTION = (
    "Points of accuracy, with 95 % intervals over the test texts. Right of the zero line is a "
    "gain; an interval that crosses it shows neither gain nor loss. The intervals tell how much "
    "hangs on the choice of test texts, not on the random seed: this is one run of one seed. What "
    "collapsed or was rolled back is not drawn."
)


def draw(report: Json) -> Drawing:
    """A row a language, and one for the average of the targets."""
    shown = _shown(report)
    rows = [(code, [stage["languages"][code] for stage in shown]) for code in report["languages"]]
    rows.append(("targets", [stage["average_targets"] for stage in shown]))
    rows = [(name, cells) for name, cells in rows if any(map(_value, cells))]
    if not rows:
        return Drawing(NAME, TITLE, "Left out: nothing was adapted, or no test rows are known.")
    figure, (axis,) = canvas.panels([""], 0.5 + 0.3 * len(rows), 1)
    for at, look in enumerate(MARKS[3 - len(shown) :]):
        _fill(axis, [cells[at] for _, cells in rows], look, 0.15 * (2 * at - len(shown) + 1))
    axis.set_yticks(range(len(rows)), [name for name, _ in rows])
    axis.set(ylim=(len(rows) - 0.5, -0.5), xlabel="points")
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.grid(axis="y", visible=False)
    names = [_name(stage) for stage in shown]
    looks = MARKS[3 - len(shown) :]
    canvas.key(
        figure,
        [(n, Line2D([], [], **k | {"linestyle": "-"})) for n, k in zip(names, looks, strict=True)],
    )
    return canvas.drawing(NAME, TITLE, CAPTION, figure)


def _shown(report: Json) -> list[Json]:
    """After stage 1, and the models that are handed out."""
    first = [stage for stage in report["stages"] if stage["name"] == "contrastive"]
    ends = set(report["handed_out"]["stages"].values())
    return first if ends == {"contrastive"} else [*first, report["handed_out"]]


def _name(stage: Json) -> str:
    ends = set(stage["stages"].values()) if "stages" in stage else {stage["name"]}
    return stage_name(ends.pop()) if len(ends) == 1 else "the models handed out"


def _value(cell: Json) -> Json | None:
    """The difference, where it is a result."""
    broken = cell["withdrawn"] if "withdrawn" in cell else reasons_of(cell)
    return None if broken or not cell["difference"] else cell["difference"]


def _fill(axis: Axes, cells: list[Json], look: dict[str, Any], shift: float) -> None:
    for at, cell in enumerate(cells):
        if value := _value(cell):
            middle, low, high = (100 * (value[k] or 0) for k in ("value", "low", "high"))
            axis.plot([low, high], [at + shift] * 2, color=look["color"], linewidth=1.4)
            axis.plot([middle], [at + shift], **look | ALONE)
