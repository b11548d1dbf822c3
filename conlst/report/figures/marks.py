"""One mark a stage, the same in every figure: source, after stage 1, last."""

from typing import Any

from conlst.report.figures.canvas import BLUE, FAINT, INK, VERMILLION

MARKS: list[dict[str, Any]] = [
    {"marker": "o", "color": FAINT, "markerfacecolor": "none"},
    {"marker": "^", "color": BLUE},
    {"marker": "s", "color": VERMILLION},
]


def truth() -> dict[str, Any]:
    """Of what gold says."""
    return {
        "marker": "|",
        "color": INK,
        "linestyle": "",
        "markersize": 11,
        "markeredgewidth": 1.6,
    }
