"""What self-training took for training: rows of each class, right and wrong."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from conlst.report.choice import NO_GOLD
from conlst.report.figures import canvas
from conlst.report.figures.canvas import Drawing
from conlst.report.figures.marks import RIGHT, TRUTH, WRONG
from conlst.report.words import inert, stage_name

Json = dict[str, Any]
NAME, TITLE = "selection", "Pseudo-labelled rows that were trained on"


def draw(report: Json) -> Drawing:
    """The last iteration: a panel a language, a bar a class."""
    loops = [stage for stage in report["stages"] if stage.get("selection")]
    if not loops:
        return Drawing(NAME, TITLE, "Left out: this run has no self-training.")
    last = loops[-1]
    codes = [code for code, cell in last["selection"].items() if cell["by_class"]]
    if not codes:
        return Drawing(NAME, TITLE, NO_GOLD)
    classes = [inert(name, 18) for name in report["classes"]]
    height = max(1.5, 0.45 + 0.2 * len(classes))
    figure, axes = canvas.panels(codes, height, sharey=True)
    for axis, code in zip(axes, codes, strict=True):
        _fill(axis, last["selection"][code], last["pool"][code]["gold_balance"])
    axes[0].set_yticks(range(len(classes)), classes)
    axes[0].invert_yaxis()
    figure.supxlabel("rows", fontsize=9)
    canvas.key(
        figure,
        [
            ("taken for it, rightly", Patch(**RIGHT)),
            ("taken for it, wrongly", Patch(**WRONG)),
            ("rows that are of the class", Line2D([], [], **TRUTH)),
        ],
    )
    return canvas.drawing(NAME, TITLE, _caption(last["name"]), figure)


def _caption(name: str) -> str:
    return (
        f"Unlabelled texts whose pseudo-label {stage_name(name)} trained on, by that label. Long "
        "solid bars that nearly reach the upright line are good; hatched parts are errors that "
        "the model was taught; a class with hardly a bar is being forgotten."
    )


def _fill(axis: Axes, cell: Json, gold: list[int]) -> None:
    right = cell["by_class"]["right"]
    wrong = [n - ok for n, ok in zip(cell["class_balance"], right, strict=True)]
    at = range(len(right))
    axis.barh(at, right, 0.7, **RIGHT)
    axis.barh(at, wrong, 0.7, left=right, **WRONG)
    axis.plot(gold, at, **TRUTH)
    axis.set_xlim(left=0)
    axis.grid(axis="y", visible=False)
