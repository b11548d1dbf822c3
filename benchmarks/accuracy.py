"""Accuracies of a study's systems: per language, averages recomputed, the paper's beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.comparing import Against, apart, comparisons, shared
from benchmarks.markdown import number, signed, table
from benchmarks.scores import Scores, ordered, scored, spread
from benchmarks.study import Study

Json = dict[str, Any]
INTERVALS = (
    "Differences are in points; 95 % intervals and p-values are by a paired bootstrap over seeds "
    "and premises, and p is corrected by Holm's method for all differences of the table."
)


def tables(plan: Study, setting: str, root: Path) -> str:
    """The table of a study in a setting, the one by stages, and what must be said of them."""
    scores = scored(plan, setting, root)
    languages = ordered(code for each in scores for code in each.languages)
    if not languages:
        return ""
    source = next(r for each in scores for r in each.cells.values())["source_language"]
    targets = [code for code in languages if code != source]
    against = comparisons(plan, scores, targets or languages, root / setting)
    parts = [
        _main(plan, scores, languages, targets, against),
        _stages(scores, targets or languages),
    ]
    return "\n\n".join([*parts, " ".join(_notes(plan, scores, languages))])


def _main(
    plan: Study,
    scores: Sequence[Scores],
    languages: list[str],
    targets: list[str],
    against: Against,
) -> str:
    bases = [each for each in scores if each.system.name in plan.baselines]
    head = ["system", "paper", *languages, "targets", "all", "seeds"]
    head += [column for s in bases for column in (f"targets, against {s.system.label}", "p")]
    rows = []
    for each in scores:
        row = [_label(each, languages), number(each.system.paper)]
        row += [spread(each.values(code)) for code in languages]
        row += [spread(each.averages(codes)) if codes else "" for codes in (targets, languages)]
        row.append(str(len(each.seeds) or ""))
        for base in bases:
            told = against.get((each.system.name, base.system.name))
            where = _where(shared(each, base, targets or languages), targets or languages)
            row += [signed(told) + where, f"{told.p:.2g}"] if told else ["", ""]
        rows.append(row)
    return table(head, rows, left=1)


def _label(each: Scores, languages: Sequence[str]) -> str:
    """A system's name, and that it is not what its name says, or not in all languages."""
    label = each.system.label + (" (imported)" if each.system.recipe is None else "")
    without = lacking(each, languages)
    if set(without) == each.languages:
        return f"{label} (without back-translation)" if without else label
    return f"{label} (mixed)" if without else label


def _where(held: Sequence[str], languages: Sequence[str]) -> str:
    """In which languages something was measured, if not in all of the table."""
    return "" if held == list(languages) else f" in {', '.join(held)}"


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
            s.system.label + _where(s.among(languages), languages),
            *(_after(s, name, s.among(languages)) for name in names),
        ]
        for s in shown
    ]
    return "After each stage, averaged over the targets:\n\n" + table(
        ["system", *names], rows, left=1
    )


def lacking(each: Scores, languages: Sequence[str]) -> list[str]:
    """Languages without back-translation in a system that has it."""
    return [code for code in languages if any(code in _skipped(r) for r in each.results(code))]


def _skipped(result: Json) -> list[str]:
    """Languages that an augmenter could not translate, by what it told."""
    records = [record for stage in result["stages"] for record in stage["records"].values()]
    told = [record["facts"].get("augment", {}) for record in records]
    lists = [facts[key] for facts in told for key in facts if key.startswith("skipped")]
    return [code for codes in lists for code in codes]


def _after(each: Scores, stage: str, languages: Sequence[str]) -> str:
    """Mean and spread after a stage; where some seeds did not come to it, of how many."""
    values, seeds = [*each.after(stage, languages).values()], each.complete(languages)
    part = 0 < len(values) < len(seeds)
    return spread(values) + (f" ({len(values)} of {len(seeds)} seeds)" if part else "")


def _notes(plan: Study, scores: Sequence[Scores], languages: list[str]) -> list[str]:
    """What a reader of the table must know; what holds of several systems is said once."""
    said: dict[str, list[str]] = {}
    bases = [each for each in scores if each.system.name in plan.baselines]
    for each in scores:
        for what in [*_facts(each, languages), *_strangers(each, bases, languages)]:
            said.setdefault(what, []).append(each.system.label)
    notes = [f"{', '.join(labels)}: {what}." for what, labels in said.items()]
    return [*notes, *[INTERVALS] * bool(plan.baselines)]


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


def _strangers(each: Scores, bases: Sequence[Scores], languages: Sequence[str]) -> list[str]:
    """That a system cannot be compared with any baseline, for the machine it ran on."""
    others = [base for base in bases if shared(each, base, languages)]
    if not others or each in bases or not all(apart(each, base, languages) for base in others):
        return []
    labels = " or ".join(base.system.label for base in others)
    return [f"not compared with {labels}, run on another kind of machine"]


def withdrawn(each: Scores) -> str:
    """How many models broke or were rolled back on the way."""
    # One model may be for many languages: its result stands under each of them.
    models = {(seed, *r["languages"]): r for (seed, _), r in each.cells.items()}
    tests = [list(s["test"].values()) for r in models.values() for s in r["stages"]]
    collapsed = sum(any(test["collapse"] for test in of_model) for of_model in tests)
    back = sum(any(test["rolled_back"] for test in of_model) for of_model in tests)
    said = [f"{collapsed} collapsed"] * bool(collapsed) + [f"{back} rolled back"] * bool(back)
    return " and ".join(said)
