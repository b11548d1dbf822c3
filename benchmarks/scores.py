"""All results of a system in a setting, by seed and language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmarks import bitmaps, results
from benchmarks.study import Study, System

Json = dict[str, Any]
ORDER = ["en", "fr", "es", "de", "el", "bg", "ru", "tr", "ar", "vi", "th", "zh", "hi", "sw", "ur"]
"""Languages stand in the order of the paper's first table."""


@dataclass(frozen=True)
class Scores:
    """All results of a system in a setting: by seed and language."""

    system: System
    cells: dict[tuple[int, str], Json]

    @classmethod
    def of(cls, system: System, found: Iterable[Json]) -> "Scores":
        """A language that several models of a seed are for counts in the one for most."""
        wider = sorted(found, key=lambda r: len(r["languages"]))
        cells = {(r["seed"], code): r for r in wider for code in r["languages"]}
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
        return [self.value(seed, code) for seed, code in self.cells if code == language]

    def value(self, seed: int, language: str) -> float:
        """Accuracy of the model handed out."""
        return float(results.kept(self.cells[seed, language], language)["accuracy"])

    def averages(self, languages: Sequence[str]) -> list[float]:
        """The average over languages, of each seed that has all of them."""
        return [
            mean(self.value(seed, code) for code in languages) for seed in self.complete(languages)
        ]

    def complete(self, languages: Sequence[str]) -> list[int]:
        """Seeds that have all of some languages."""
        return [s for s in self.seeds if all((s, code) in self.cells for code in languages)]

    def after(self, stage: str, languages: Sequence[str]) -> dict[int, float]:
        """The average after a stage, by seed, of those whose models all have it."""
        out = {}
        for seed in self.complete(languages):
            found = [_after(self.cells[seed, code], code, stage) for code in languages]
            if None not in found:
                out[seed] = mean(found)
        return out

    def right(self, seeds: Sequence[int], languages: Sequence[str]) -> Any:
        """bool[R, L, N]: which test rows the models handed out get right."""
        told = [[results.kept(self.cells[s, code], code) for code in languages] for s in seeds]
        return np.array([[bitmaps.read(cell["right"], cell["n"]) for cell in row] for row in told])


def scored(plan: Study, setting: str, root: Path) -> list[Scores]:
    """All that a study has in a setting, in the order of its systems; of some that is nothing."""
    found = results.read(root, setting, [system.name for system in plan.systems])
    return [Scores.of(system, found[system.name]) for system in plan.systems]


def _after(result: Json, language: str, stage: str) -> Any:
    told = results.stage(result, stage)
    return told["test"][language]["accuracy"] if told else None


def ordered(codes: Iterable[str]) -> list[str]:
    """Languages, each once, in the order of the paper; those it has not, by their code."""
    return sorted(set(codes), key=lambda code: (ORDER.index(code) if code in ORDER else 99, code))


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
