"""Every system of a study against its baselines, where the two can be paired."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.scores import Scores
from benchmarks.statistics import Comparison, compared, holm
from benchmarks.study import Study

Against = dict[tuple[str, str], Comparison]
"""By the names of a system and of the baseline it is compared with."""


def comparisons(
    plan: Study, scores: Sequence[Scores], languages: Sequence[str], folder: Path
) -> Against:
    """What each system gains over each baseline, in the languages that both were run in.

    p is corrected for all comparisons that the table holds.
    """
    out = Against()
    for base in (each for each in scores if each.system.name in plan.baselines):
        for each in scores:
            both = shared(each, base, languages)
            seeds = pairs(each, base, both)
            rows = {_rows(s, seed, code) for s in (each, base) for seed in seeds for code in both}
            if each is base or len(rows) != 1:
                continue  # other test rows in other languages: nothing to pair
            right = [s.right(seeds, both) for s in (each, base)]
            told = compared(right[0], right[1], results.units(folder, rows.pop()))
            out[each.system.name, base.system.name] = told
    corrected = holm({key: told.p for key, told in out.items()})
    return {key: told._replace(p=corrected[key]) for key, told in out.items()}


def shared(each: Scores, base: Scores, languages: Sequence[str]) -> list[str]:
    """Those of some languages that both were run in."""
    return base.among(each.among(languages))


def pairs(each: Scores, base: Scores, languages: Sequence[str]) -> list[int]:
    """Seeds that both have in all of some languages, run on the same kind of machine.

    A GPU draws other dropout masks than a CPU, so one seed means two source models there.
    """
    seeds = [s for s in each.complete(languages) if s in base.complete(languages)]
    return [
        seed
        for seed in seeds
        if all(
            _machine(each.cells[seed, code]) == _machine(base.cells[seed, code])
            for code in languages
        )
    ]


def apart(each: Scores, base: Scores, languages: Sequence[str]) -> bool:
    """Whether nothing but the machines they ran on keeps the two from being paired."""
    both = shared(each, base, languages)
    seeds = set(each.complete(both)) & set(base.complete(both))
    return bool(both and seeds) and not pairs(each, base, both)


def _machine(result: Any) -> tuple[str, str]:
    held = result["environment"]
    return held["device"], held["versions"]["torch"]


def _rows(scores: Scores, seed: int, code: str) -> str:
    return str(scores.cells[seed, code]["rows"][code])
