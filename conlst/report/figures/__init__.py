"""The figures of a report, one a file, each drawn from `report.json` alone.

matplotlib is imported only when one is drawn.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conlst.report.figures.canvas import Drawing


def every(report: dict[str, Any]) -> "dict[str, Drawing]":
    """All figures by name; one that gold is missing for says so in its caption."""
    from conlst.report.figures import (
        balance,
        canvas,
        change,
        confidence,
        curve,
        reliability,
        selection,
    )

    with canvas.style():
        rooms = (change, confidence, curve, balance, selection, reliability)
        return {drawing.name: drawing for drawing in (room.draw(report) for room in rooms)}
