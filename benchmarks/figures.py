"""Figs. 3, 4 and 5 of the paper and one of our own, drawn from result files as reports draw theirs.

confidence      Fig. 3: right and wrong pool rows by confidence, around CoNL
confidence-nl   Fig. 4: the same around negative learning by cross-entropy
curve           Fig. 5: accuracy on the pool during stage 1
gains           what is gained over zero-shot, by zero-shot accuracy, a point a language
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from benchmarks import results
from benchmarks.comparing import pairs
from benchmarks.scores import Scores, ordered, scored
from benchmarks.study import Study

if TYPE_CHECKING:
    from conlst.report.figures.canvas import Drawing

Json = dict[str, Any]
CONL, NL = "conlst", "conlst-bt-without-contrast"
"""Those whose stage 1 is drawn."""
FILES = ("confidence", "confidence-nl", "curve", "gains")


def folder(root: Path) -> Path:
    """Where figures of the results in a folder go: beside it."""
    return root.parent / "figures"


def tables(plan: Study, setting: str, root: Path) -> str:
    """The figures that were drawn, as links from README.md."""
    names = [f"{setting}-{name}.png" for name in FILES]
    there = [name for name in names if (folder(root) / name).is_file()]
    return "\n\n".join(f"![{name.removesuffix('.png')}](figures/{name})" for name in there)


def draw(plan: Study, setting: str, root: Path) -> list[Path]:
    """Draw all figures of a setting; those without results are left out."""
    from conlst.report.figures import canvas

    scores = {each.system.name: each for each in scored(plan, setting, root)}
    with canvas.style():
        made = {name: drawing for name, drawing in _drawings(scores).items() if drawing}
    folder(root).mkdir(parents=True, exist_ok=True)
    for name, drawing in made.items():
        (folder(root) / f"{setting}-{name}.png").write_bytes(drawing.png)
    return [folder(root) / f"{setting}-{name}.png" for name in made]


def _drawings(scores: dict[str, Scores]) -> "dict[str, Drawing | None]":
    made: list[Callable[[], Drawing | None]] = [
        lambda: _confidence(scores[CONL]),
        lambda: _confidence(scores[NL]),
        lambda: _curves([scores[CONL], scores[NL]]),
        lambda: _gains(scores["zero-shot"], scores["conlst"]),
    ]
    return {name: make() for name, make in zip(FILES, made, strict=True)}


def _confidence(of: Scores) -> "Drawing | None":
    """A panel a language: mean counts over seeds, before and after stage 1."""
    from conlst.report.figures import confidence

    found = []
    for code in ordered(of.languages):
        before, after = (_histogram(of, code, stage) for stage in ("source", "contrastive"))
        if before and after:
            found.append(confidence.Panel(code, before, after))
    return confidence.drawn(found, "") if found else None


def _histogram(of: Scores, language: str, stage: str) -> Json | None:
    """The mean over seeds, where gold is known."""
    pools = [results.stage(r, stage)["pool"][language] for r in of.results(language)]
    told = [pool["histogram"] for pool in pools if pool["histogram"]["clean"]]
    if not told:
        return None
    counts = {key: _means([one[key] for one in told]) for key in ("n", "clean", "noisy")}
    return {"edges": told[0]["edges"], **counts}


def _means(rows: Sequence[Sequence[float]]) -> list[float]:
    return [mean(column) for column in zip(*rows, strict=True)]


def _curves(several: Sequence[Scores]) -> "Drawing | None":
    """A panel a language, a line a system: means over seeds."""
    from conlst.report.figures import curve

    lines = [{code: line for code in of.languages if (line := _line(of, code))} for of in several]
    codes = ordered(code for of in lines for code in of)
    if not codes:
        return None
    return curve.side_by_side([of.system.label for of in several], lines, codes, "")


def _line(of: Scores, language: str) -> list[tuple[float, float]]:
    """(step, accuracy in percent) at each look, the means over seeds."""
    curves = [results.stage(r, "contrastive")["curve"] for r in of.results(language)]
    points = [curve[language] for curve in curves if curve.get(language)]
    if not points or any(point["accuracy"] is None for line in points for point in line):
        return []
    return [
        (mean(p["step"] for p in looks), 100 * mean(p["accuracy"] for p in looks))
        for looks in zip(*points, strict=False)
    ]


def _gains(zero_shot: Scores, adapted: Scores) -> "Drawing | None":
    """A point a language: does who knows less gain more?"""
    from conlst.report.figures import canvas
    from conlst.report.figures.marks import series

    seeds = {code: pairs(adapted, zero_shot, [code]) for code in adapted.languages}
    codes = ordered(code for code in seeds if seeds[code])
    if not codes:
        return None
    figure, (axis,) = canvas.panels([""], 3.2, 1)
    before, after = (
        [100 * mean(of.value(seed, code) for seed in seeds[code]) for code in codes]
        for of in (zero_shot, adapted)
    )
    gained = [y - x for x, y in zip(before, after, strict=True)]
    axis.plot(before, gained, **series(1)[0] | {"linestyle": "none", "marker": "o"})
    for code, x, y in zip(codes, before, gained, strict=True):
        axis.annotate(code, (x, y), xytext=(4, 4), textcoords="offset points")
    axis.axhline(0, color=canvas.INK, linewidth=0.8)
    axis.set(xlabel="zero-shot accuracy, %", ylabel=f"gain of {adapted.system.label}, points")
    return canvas.drawing("gains", "Gain by zero-shot accuracy", "", figure)
