"""Fig. 5: accuracy on the pool while stage 1 goes on."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from conlst.report.choice import NO_GOLD, stage_1
from conlst.report.figures import canvas
from conlst.report.figures.canvas import Drawing
from conlst.report.figures.marks import series
from conlst.report.words import inert

Json = dict[str, Any]
NAME, TITLE = "curve", "Accuracy during stage 1"
CAPTION = (
    "Share of unlabelled texts that are labelled right, as stage 1 goes on (at most 500 texts a "
    "language are looked at). It should rise; where it falls, stage 1 does harm. (Fig. 5 of the "
    "CoNLST paper.)"
)

Line = Sequence[tuple[float, float]]
"""(step, accuracy in per cent) of one series."""


def draw(report: Json) -> Drawing:
    """One line a language."""
    found = lines(report)
    if not found:
        return Drawing(NAME, TITLE, _missing(report))
    figure, (axis,) = canvas.panels([""], 3.0, 1)
    plot(axis, found)
    axis.set(xlabel="step", ylabel="right, %")
    return canvas.drawing(NAME, TITLE, CAPTION, figure)


def lines(report: Json) -> dict[str, Line]:
    """By language, the curve of stage 1 where gold is known."""
    stage = stage_1(report)
    return {
        code: [(point["step"], 100 * point["accuracy"]) for point in points]
        for code, points in (stage["curve"] if stage else {}).items()
        if points and all(point["accuracy"] is not None for point in points)
    }


def _missing(report: Json) -> str:
    stage = stage_1(report)
    if stage is None:
        return "Left out: this run has no stage 1."
    if not stage["curve"]:
        return "Left out: no curve was recorded (contrastive.curve is 0)."
    return NO_GOLD


def plot(axis: Axes, found: Mapping[str, Line]) -> None:
    """The lines, each named at its end."""
    for look, line in zip(series(len(found)), found.values(), strict=True):
        axis.plot(*zip(*line, strict=True), **look)
    ends = {name: line[-1] for name, line in found.items()}
    axis.margins(x=0.02)
    low, high = axis.get_ylim()
    heights = _apart([y for _, y in ends.values()], 0.06 * (high - low))
    for (name, (x, y)), height, look in zip(ends.items(), heights, series(len(ends)), strict=True):
        axis.annotate(
            inert(name, 24),
            (x, y),
            xytext=(1.015, (height - low) / (high - low)),
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "color": look["color"], "linewidth": 0.6},
        )


def side_by_side(
    labels: Sequence[str], lines: Sequence[Mapping[str, Line]], codes: Sequence[str], caption: str
) -> Drawing:
    """A panel a language, in each a line of everybody who has one there.

    Args:
        labels: what the lines are called.
        lines: of each, by language.
        codes: the languages, one at least.
        caption: what to look for.
    """
    figure, axes = canvas.panels(codes, 2.0, sharex=True)
    looks = series(len(labels))
    for axis, code in zip(axes, codes, strict=True):
        for found, look in zip(lines, looks, strict=True):
            if code in found:
                axis.plot(*zip(*found[code], strict=True), **look)
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("right, %", fontsize=9)
    canvas.key(figure, [(n, Line2D([], [], **look)) for n, look in zip(labels, looks, strict=True)])
    return canvas.drawing(NAME, TITLE, caption, figure)


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Heights near those given, at least so far apart, in the same order.

    Examples:
        >>> _apart([1.0, 1.0, 5.0], 2.0)
        [0.0, 2.0, 5.0]
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = list(heights)
    for _ in range(100):
        moved = False
        for low, high in pairwise(order):
            lacking = least - (placed[high] - placed[low])
            if lacking > 1e-9:
                placed[low] -= lacking / 2
                placed[high] += lacking / 2
                moved = True
        if not moved:
            break
    return placed
