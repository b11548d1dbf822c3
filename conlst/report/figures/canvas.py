"""What all figures share: panels, colours that colour-blind readers can tell apart, two formats.

The palette is Okabe & Ito's. In the page a figure takes the page's own colours, so that it turns
dark with it.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from conlst.report.words import inert

INK, FAINT, RULE = "#1c1c1e", "#6a6a70", "#d9d9de"
BLUE, VERMILLION, GREEN = "#0072b2", "#d55e00", "#009e73"
ORANGE, SKY, PURPLE = "#e69f00", "#56b4e9", "#cc79a7"
VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    RULE: "--rule",
    BLUE: "--blue",
    VERMILLION: "--vermillion",
    GREEN: "--green",
    ORANGE: "--orange",
    SKY: "--sky",
    PURPLE: "--purple",
}
"""Colours as the page calls them."""
WIDTH = 9.0
COLUMNS = 4
_FONT = "DejaVu Sans"  # comes with matplotlib, so that a figure looks the same everywhere
STYLE: Any = {
    "font.family": _FONT,
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "conlst",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "lines.markersize": 5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@dataclass(frozen=True)
class Drawing:
    """A figure with its words: what it shows, and what to look for."""

    name: str
    """Of its file, and its anchor in the page."""
    title: str
    caption: str
    svg: str = ""
    """Empty: nothing could be drawn, and the caption says why."""
    png: bytes = b""


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures; to be open while one is made and while it is written."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # Class names may be in any script: the page shows what the figures' font has not.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def panels(
    names: Sequence[str], height: float, columns: int = COLUMNS, **shared: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each name, in rows of at most `columns`."""
    across = min(columns, max(len(names), 2))
    down = -(-len(names) // across)
    figure = Figure((WIDTH, 0.55 + down * height), layout="constrained")
    axes = [axis for row in figure.subplots(down, across, squeeze=False, **shared) for axis in row]
    for axis, name in zip(axes, names, strict=False):
        axis.set_title(inert(name, 40))
    for axis in axes[len(names) :]:
        axis.remove()
    for axis in axes[max(0, len(names) - across) : len(names)]:
        axis.tick_params(labelbottom=True)  # it may stand above an empty place
    return figure, axes[: len(names)]


def key(figure: Figure, entries: Sequence[tuple[str, Line2D | Patch]]) -> None:
    """What colours and markers mean, above all panels."""
    handles, labels = [entry[1] for entry in entries], [inert(entry[0], 60) for entry in entries]
    figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 4))


def drawing(name: str, title: str, caption: str, figure: Figure) -> Drawing:
    """The figure in both formats."""
    svg = _svg(figure, name, title)
    figure.set_layout_engine("none")  # it is laid out now
    return Drawing(name, title, caption, svg, _png(figure))


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def _svg(figure: Figure, name: str, title: str) -> str:
    """The figure as part of a page: no header, ids of its own, the page's colours and font."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = text.replace(f"'{_FONT}'", "var(--font)")
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    head = rf'<svg role="img" aria-label="{title}" \1>'  # a title is our own, without quotes
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', head, text, count=1)
