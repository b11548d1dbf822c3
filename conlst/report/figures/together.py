"""Figures of several runs: Figs. 3 and 4 side by side, and Fig. 5 with a line a run."""

from collections.abc import Sequence
from typing import Any

from conlst.report.choice import NO_GOLD, around_stage_1, with_gold
from conlst.report.figures import confidence, curve
from conlst.report.figures.canvas import Drawing
from conlst.report.words import inert

Json = dict[str, Any]

SIDE_BY_SIDE = 4


def confidences(labels: Sequence[str], reports: Sequence[Json]) -> Drawing:
    """Clean and noisy rows: a row a language, a column a run."""
    known = [with_gold(report)[2] if len(report["stages"]) > 1 else [] for report in reports]
    codes = [code for code in known[0] if all(code in others for others in known)]
    if not codes:
        return Drawing(confidence.NAME, confidence.TITLE, NO_GOLD)
    found = [
        confidence.panel(f"{code}: {inert(label, 20)}", code, *around_stage_1(report))
        for code in codes
        for label, report in zip(labels, reports, strict=True)
    ]
    text = confidence.caption(around_stage_1(reports[0])[1]["name"])
    text += (
        " Each column is a run. The paper claims that contrastive negative learning leaves fewer "
        "sure and wrong rows than negative learning by cross-entropy."
    )
    return confidence.drawn(found, text, min(len(reports), SIDE_BY_SIDE))


def curves(labels: Sequence[str], reports: Sequence[Json]) -> Drawing:
    """Accuracy during stage 1: a panel a language, a line a run."""
    lines = [curve.lines(report) for report in reports]
    codes = list(dict.fromkeys(code for of_run in lines for code in of_run))
    if not codes:
        return Drawing(curve.NAME, curve.TITLE, NO_GOLD)
    return curve.side_by_side(labels, lines, codes, curve.CAPTION)
