"""The systems of a study in short: a line each, for who wants the outcome and no columns."""

from pathlib import Path
from statistics import mean

from benchmarks.accuracy import INTERVALS
from benchmarks.comparing import comparisons, pairs, shared
from benchmarks.markdown import signed, table
from benchmarks.scores import Scores, ordered, scored, spread
from benchmarks.statistics import Comparison
from benchmarks.study import Study


def tables(plan: Study, setting: str, root: Path) -> str:
    """Average accuracy over the targets that a system was run in, and what it gains there.

    Beside it stands the baseline's average over the same targets, since they differ in difficulty.
    """
    scores = [each for each in scored(plan, setting, root) if each.cells]
    bases = [each for each in scores if each.system.name in plan.baselines]
    if not bases:
        return ""
    source = next(iter(bases[0].cells.values()))["source_language"]
    targets = [code for code in ordered(c for s in scores for c in s.languages) if code != source]
    against = comparisons(plan, scores, targets, root / setting)
    head = ["system", "targets", "seeds", "accuracy"]
    for base in bases:
        head += [base.system.label, "difference", "p", "targets that gain"]
    rows = []
    for each in scores:
        own = each.among(targets)
        row = [each.system.label, _count(own, targets), str(len(each.complete(own)))]
        row.append(spread(each.averages(own)))
        for base in bases:
            told = against.get((each.system.name, base.system.name))
            row += _beside(each, base, shared(each, base, targets), told) if told else [""] * 4
        rows.append(row)
    return "\n\n".join([table(head, rows, left=2), INTERVALS])


def _beside(each: Scores, base: Scores, both: list[str], told: Comparison) -> list[str]:
    """The baseline over the same seeds and targets, and how many of these gain."""
    seeds = pairs(each, base, both)
    means = [[mean(of.value(s, code) for s in seeds) for of in (each, base)] for code in both]
    gain = sum(own > other for own, other in means)
    before = [mean(base.value(seed, code) for code in both) for seed in seeds]
    return [spread(before), signed(told), f"{told.p:.2g}", f"{gain} of {len(both)}"]


def _count(own: list[str], targets: list[str]) -> str:
    return f"all {len(own)}" if own == targets else ", ".join(own)
