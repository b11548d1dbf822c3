"""Stage 1 by the number of classes: what it changes, and how often its complementary labels err."""

from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import results
from benchmarks.markdown import table
from benchmarks.scores import Scores, ordered, scored, spread
from benchmarks.study import Study

Json = dict[str, Any]
HEAD = [
    "system",
    "classes",
    "zero-shot",
    "after stage 1",
    "change",
    "complementary labels that err, %",
    "drawn blindly, %",
    "seeds",
]


def tables(plan: Study, setting: str, root: Path) -> str:
    """A line a system, averaged over the languages."""
    rows = [_row(each) for each in scored(plan, setting, root) if each.cells]
    return table(HEAD, rows, left=1) if rows else ""


def _row(scores: Scores) -> list[str]:
    languages = ordered(scores.languages)
    at_first, at_last = (scores.after(stage, languages) for stage in ("source", "contrastive"))
    before, after = ([of[seed] for seed in at_last] for of in (at_first, at_last))
    classes = len(next(iter(scores.cells.values()))["classes"])
    told = [_complement(result, code) for (_, code), result in scores.cells.items()]
    errors = [cell["error_rate"] for cell in told if cell and cell["error_rate"] is not None]
    blind = [(1 - _pool(r, code)) / (classes - 1) for (_, code), r in scores.cells.items()]
    return [
        scores.system.label,
        str(classes),
        spread(before),
        spread(after),
        f"{100 * (mean(after) - mean(before)):+.1f}" if after else "",
        f"{100 * mean(errors):.1f}" if errors else "",
        f"{100 * mean(blind):.1f}",
        str(len(scores.seeds)),
    ]


def _complement(result: Json, language: str) -> Json | None:
    told: Json | None = results.stage(result, "contrastive").get("complement", {}).get(language)
    return told


def _pool(result: Json, language: str) -> float:
    """Accuracy of the labels that stage 1 starts from."""
    return float(result["stages"][0]["pool"][language]["accuracy"])
