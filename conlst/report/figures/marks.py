"""Marks that mean the same in every figure; colour never speaks alone."""

from typing import Any

from conlst.report.figures.canvas import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
)

Look = dict[str, Any]

MARKS: list[Look] = [
    {"marker": "o", "color": FAINT, "markerfacecolor": "none", "linestyle": "-"},
    {"marker": "^", "color": BLUE, "linestyle": "--"},
    {"marker": "s", "color": VERMILLION, "linestyle": ":"},
]
"""Of stages: source, after stage 1, last."""
ALONE: Look = {"linestyle": ""}
"""The mark without its line."""
TRUTH: Look = {
    "marker": "|",
    "color": INK,
    "linestyle": "",
    "markersize": 11,
    "markeredgewidth": 1.6,
}
"""What gold says."""
RIGHT: Look = {"facecolor": BLUE, "edgecolor": BLUE, "linewidth": 0.6}
WRONG: Look = {"facecolor": "none", "edgecolor": VERMILLION, "hatch": "/////", "linewidth": 0.6}
SERIES: list[Look] = [
    {"color": color, "linestyle": style, "marker": marker}
    for style in ("-", "--")
    for color, marker in zip(
        (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK), "os^Dv<>", strict=True
    )
]
"""Of languages or runs, no two alike without their colour."""


def series(n: int) -> list[Look]:
    """Looks of so many."""
    return [SERIES[i % len(SERIES)] for i in range(n)]
