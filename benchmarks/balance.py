"""How often each class is named, and how many rows are trusted for it.

A class that a model hardly names is hardly selected, so self-training names it less each time.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import results
from benchmarks.markdown import table
from benchmarks.scores import Scores, ordered, scored
from benchmarks.study import Study

Json = dict[str, Any]
AFTER = ["rows trusted", "of them right", "calibration error, test", "seeds"]
Figure = Callable[[Json, str], float | None]
"""What is read of a result and a language; None: it is not known."""


def tables(plan: Study, setting: str, root: Path) -> str:
    """A line a system: the means over seeds and the study's languages."""
    scores = [each for each in scored(plan, setting, root) if each.cells]
    languages = plan.languages or ordered(code for each in scores for code in each.languages)
    shown = [each for each in scores if each.among(languages)]
    if not shown:
        return ""
    classes = next(iter(shown[0].cells.values()))["classes"]
    gold = [_mean(shown[0], languages, _share("gold_balance", c)) for c in range(len(classes))]
    rows = [[each.system.label, *_row(each, languages, len(classes))] for each in shown]
    head = ["system", *(f"named {name}" for name in classes), *AFTER]
    where = f"On the pools of {', '.join(languages)}"
    return f"{where}:\n\n" + table(
        head, [["gold", *map(_percent, gold), *[""] * len(AFTER)], *rows], left=1
    )


def _row(each: Scores, languages: list[str], classes: int) -> list[str]:
    named = [_mean(each, languages, _share("class_balance", c)) for c in range(classes)]
    selected = [_mean(each, languages, _selected(key)) for key in ("coverage", "precision")]
    error = _mean(each, languages, lambda r, code: results.kept(r, code)["calibration_error"])
    of = "" if each.among(languages) == languages else f" in {', '.join(each.among(languages))}"
    return [
        *map(_percent, [*named, *selected]),
        "" if error is None else f"{error:.2f}",
        f"{len(each.seeds)}{of}",
    ]


def _mean(each: Scores, languages: list[str], read: Figure) -> float | None:
    cells = [(r, code) for (_, code), r in each.cells.items() if code in languages]
    told = [figure for cell in cells if (figure := read(*cell)) is not None]
    return mean(told) if told else None


def _share(of: str, number: int) -> Figure:
    """The share of a class in the pool, by the labels or by the model that is handed out."""

    def read(result: Json, language: str) -> float | None:
        pool = results.stage(result, result["kept"][language])["pool"][language]
        counts = pool[of]["all"] if of == "class_balance" else pool[of]
        return counts[number] / sum(counts) if counts else None

    return read


def _selected(key: str) -> Figure:
    """Of the last selection on the way to the model that is handed out."""

    def read(result: Json, language: str) -> float | None:
        names = [stage["name"] for stage in result["stages"]]
        kept = result["stages"][: names.index(result["kept"][language]) + 1]
        told = [stage.get("selection", {}).get(language) for stage in kept]
        last = next((each for each in reversed(told) if each), None)
        return last[key] if last else None

    return read


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"
