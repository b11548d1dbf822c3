"""Accuracies of a study's systems: per language, averages recomputed, the paper's beside them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmarks import bitmaps, results
from benchmarks.markdown import number, signed, table
from benchmarks.statistics import Comparison, compared, holm
from benchmarks.study import Study, System

Json = dict[str, Any]
ORDER = ["en", "fr", "es", "de", "el", "bg", "ru", "tr", "ar", "vi", "th", "zh", "hi", "sw", "ur"]
"""Languages stand in the order of the paper's first table."""
INTERVALS = (
    "Differences are in points; 95 % intervals and p-values are by a paired bootstrap over seeds "
    "and premises, and p is corrected by Holm's method for all systems of the table."
)


@dataclass(frozen=True)
class Scores:
    """All results of a system in a setting: by seed and language."""

    system: System
    cells: dict[tuple[int, str], Json]

    @classmethod
    def of(cls, system: System, found: Iterable[Json]) -> "Scores":
        cells = {(r["seed"], code): r for r in found for code in r["languages"]}
        return cls(system, cells)

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for seed, _ in self.cells})

    @property
    def languages(self) -> set[str]:
        return {code for _, code in self.cells}

    def among(self, languages: Sequence[str]) -> list[str]:
        """Those of some languages that it was run in."""
        return [code for code in languages if code in self.languages]

    def results(self, language: str) -> list[Json]:
        """Those of a language, a seed each."""
        return [r for (_, code), r in self.cells.items() if code == language]

    def values(self, language: str) -> list[float]:
        """Accuracy in a language, a seed each, of the models handed out."""
        return [results.kept(r, language)["accuracy"] for r in self.results(language)]

    def averages(self, languages: Sequence[str]) -> list[float]:
        """The average over languages, of each seed that has all of them."""
        return [
            mean(results.kept(self.cells[seed, code], code)["accuracy"] for code in languages)
            for seed in self.complete(languages)
        ]

    def complete(self, languages: Sequence[str]) -> list[int]:
        """Seeds that have all of some languages."""
        return [s for s in self.seeds if all((s, code) in self.cells for code in languages)]

    def after(self, stage: str, languages: Sequence[str]) -> list[float]:
        """The average after a stage, of each seed whose models all have it."""
        out = []
        for seed in self.complete(languages):
            found = [_after(self.cells[seed, code], code, stage) for code in languages]
            if None not in found:
                out.append(mean(found))
        return out

    def right(self, seeds: Sequence[int], languages: Sequence[str]) -> Any:
        """bool[R, L, N]: which test rows the models handed out get right."""
        told = [[results.kept(self.cells[s, code], code) for code in languages] for s in seeds]
        return np.array([[bitmaps.read(cell["right"], cell["n"]) for cell in row] for row in told])


def _after(result: Json, language: str, stage: str) -> Any:
    told = results.stage(result, stage)
    return told["test"][language]["accuracy"] if told else None


def tables(plan: Study, setting: str, root: Path) -> str:
    """The table of a study in a setting, the one by stages, and what must be said of them."""
    found = results.read(root, setting, [system.name for system in plan.systems])
    scores = [Scores.of(system, found[system.name]) for system in plan.systems]
    languages = ordered(code for each in scores for code in each.languages)
    if not languages:
        return ""
    any_result = next(r for rs in found.values() for r in rs)
    targets = [code for code in languages if code != any_result["source_language"]]
    against = comparisons(plan, scores, targets or languages, root / setting)
    parts = [
        _main(plan, scores, languages, targets, against),
        _stages(scores, targets or languages),
    ]
    return "\n\n".join([*parts, " ".join(_notes(plan, scores, languages))])


def ordered(codes: Iterable[str]) -> list[str]:
    """Languages, each once, in the order of the paper; those it has not, by their code."""
    return sorted(set(codes), key=lambda code: (ORDER.index(code) if code in ORDER else 99, code))


def _main(
    plan: Study,
    scores: Sequence[Scores],
    languages: list[str],
    targets: list[str],
    against: dict[str, Comparison],
) -> str:
    base = next((s.label for s in plan.systems if s.name == plan.baseline), "")
    head = ["system", "paper", *languages, "targets", "all", "seeds"]
    head += [f"targets, against {base}", "p"] if base else []
    rows = []
    for each in scores:
        row = [_label(each, languages), number(each.system.paper)]
        row += [spread(each.values(code)) for code in languages]
        row += [spread(each.averages(codes)) if codes else "" for codes in (targets, languages)]
        row.append(str(len(each.seeds) or ""))
        told = against.get(each.system.name)
        where = _where(each, targets or languages)
        row += ([signed(told) + where, f"{told.p:.2g}"] if told else ["", ""]) if base else []
        rows.append(row)
    return table(head, rows, left=1)


def _label(each: Scores, languages: Sequence[str]) -> str:
    """A system's name, and that it is not what its name says, or not in all languages."""
    label = each.system.label + (" (imported)" if each.system.recipe is None else "")
    without = lacking(each, languages)
    if set(without) == each.languages:
        return f"{label} (without back-translation)" if without else label
    return f"{label} (mixed)" if without else label


def _where(each: Scores, languages: Sequence[str]) -> str:
    """In which languages a system was run, if not in all of the table."""
    own = each.among(languages)
    return "" if own == list(languages) else f" in {', '.join(own)}"


def _stages(scores: Sequence[Scores], languages: list[str]) -> str:
    """The average over the targets after every stage, whether it was kept or not.

    A system that was run in some of them only has the average over those, and says so; its figure
    after the source stage tells where it began in them.
    """
    names = [s["name"] for each in scores for r in each.cells.values() for s in r["stages"]]
    names = sorted(set(names), key=lambda name: (name != "source", len(name), name))
    if len(names) < 2:
        return ""
    shown = [each for each in scores if each.cells]
    rows = [
        [
            s.system.label + _where(s, languages),
            *(spread(s.after(name, s.among(languages))) for name in names),
        ]
        for s in shown
    ]
    return "After each stage, averaged over the targets:\n\n" + table(
        ["system", *names], rows, left=1
    )


def comparisons(
    plan: Study, scores: Sequence[Scores], languages: Sequence[str], folder: Path
) -> dict[str, Comparison]:
    """Every system against the baseline, in the languages it was run in; p corrected for all."""
    base = next((each for each in scores if each.system.name == plan.baseline), None)
    if base is None:
        return {}
    out = {}
    for each in scores:
        own = each.among(languages)
        seeds = [s for s in each.complete(own) if s in base.complete(own)]
        if each is base or not own or not seeds:
            continue
        names = {
            r["rows"][c] for r, c in ((s.cells[k], k[1]) for s in (each, base) for k in s.cells)
        }
        if len(names) != 1:
            continue  # other test rows in other languages: nothing to pair
        units = results.units(folder, names.pop())
        out[each.system.name] = compared(each.right(seeds, own), base.right(seeds, own), units)
    corrected = holm({name: told.p for name, told in out.items()})
    return {name: told._replace(p=corrected[name]) for name, told in out.items()}


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds in percent; nothing where nobody measured.

    Examples:
        >>> spread([0.5, 0.52]), spread([0.5]), spread([])
        ('51.0 ± 1.4', '50.0', '')
    """
    if not values:
        return ""
    deviation = f" ± {stdev([100 * v for v in values]):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):.1f}{deviation}"


def lacking(each: Scores, languages: Sequence[str]) -> list[str]:
    """Languages without back-translation in a system that has it."""
    return [code for code in languages if any(code in _skipped(r) for r in each.results(code))]


def _skipped(result: Json) -> list[str]:
    """Languages that an augmenter could not translate, by what it told."""
    records = [record for stage in result["stages"] for record in stage["records"].values()]
    told = [record["facts"].get("augment", {}) for record in records]
    lists = [facts[key] for facts in told for key in facts if key.startswith("skipped")]
    return [code for codes in lists for code in codes]


def _notes(plan: Study, scores: Sequence[Scores], languages: list[str]) -> list[str]:
    """What a reader of the table must know; what holds of several systems is said once."""
    said: dict[str, list[str]] = {}
    for each in scores:
        for what in _facts(each, languages):
            said.setdefault(what, []).append(each.system.label)
    notes = [f"{', '.join(labels)}: {what}." for what, labels in said.items()]
    return [*notes, *[INTERVALS] * bool(plan.baseline), *[plan.note] * bool(plan.note)]


def _facts(each: Scores, languages: list[str]) -> list[str]:
    facts = [each.system.note] if each.system.note else []
    if without := lacking(each, languages):
        whole = set(without) == each.languages
        where = "" if whole else f" in {', '.join(without)}"
        kind = "" if whole else "a mixed configuration, "
        facts.append(f"{kind}no translator was there{where}, so rows stand for their translations")
    if part := [c for c in languages if 0 < len(each.values(c)) < len(each.seeds)]:
        facts.append(f"fewer seeds in {', '.join(part)}")
    if gone := withdrawn(each):
        facts.append(f"{gone}; the stage before it counts")
    return facts


def withdrawn(each: Scores) -> str:
    """How many models broke or were rolled back on the way."""
    # One model may be for many languages: its result stands under each of them.
    models = {(seed, *r["languages"]): r for (seed, _), r in each.cells.items()}
    tests = [list(s["test"].values()) for r in models.values() for s in r["stages"]]
    collapsed = sum(any(test["collapse"] for test in of_model) for of_model in tests)
    back = sum(any(test["rolled_back"] for test in of_model) for of_model in tests)
    said = [f"{collapsed} collapsed"] * bool(collapsed) + [f"{back} rolled back"] * bool(back)
    return " and ".join(said)
