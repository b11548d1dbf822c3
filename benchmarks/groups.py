"""What is gained in groups of test rows, such as genres that the source text has and others."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import results
from benchmarks.comparing import pairs, shared
from benchmarks.markdown import table
from benchmarks.scores import Scores, ordered, scored, spread
from benchmarks.study import Study

Json = dict[str, Any]


def tables(plan: Study, setting: str, root: Path) -> str:
    """A line a system: accuracy in each group and what is gained there, averaged over the targets.

    Gains are over the first baseline, in the languages and seeds that can be paired with it.
    """
    scores = [each for each in scored(plan, setting, root) if each.cells]
    base = next((each for each in scores if each.system.name in plan.baselines), None)
    if base is None:
        return ""
    source = next(iter(base.cells.values()))["source_language"]
    targets = [code for code in ordered(base.languages) if code != source]
    head = [
        "system",
        "targets",
        "seeds",
        *(f"{n}{of}" for n in plan.groups for of in ("", ", gain")),
    ]
    rows = [_row(plan, each, base, targets) for each in scores]
    return table(head, [row for row in rows if row], left=2)


def _row(plan: Study, each: Scores, base: Scores, targets: Sequence[str]) -> list[str]:
    languages = shared(each, base, targets)
    seeds = pairs(each, base, languages)
    if not languages or not seeds:
        return []
    row = [each.system.label, ", ".join(languages), str(len(seeds))]
    for names in plan.groups.values():
        after, before = (
            [mean(_accuracy(of.cells[s, code], code, names) for code in languages) for s in seeds]
            for of in (each, base)
        )
        gained = [y - x for x, y in zip(before, after, strict=True)]
        row += [spread(after), "" if each is base else f"{100 * mean(gained):+.1f}"]
    return row


def _accuracy(result: Json, language: str, names: Sequence[str]) -> float:
    """Accuracy on the rows of some groups, of the model handed out."""
    told = [results.kept(result, language)["groups"][name] for name in names]
    return sum(cell["accuracy"] * cell["n"] for cell in told) / sum(cell["n"] for cell in told)
