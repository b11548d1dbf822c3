"""A study: named systems that are compared, and what the paper prints of them.

    studies/NAME.json   {"title": ..., "baseline": NAME, "systems": {NAME: {"label": ..., "recipe":
                        {"extends": [METHOD], differences}, "paper": printed average}}}

A system without a recipe is imported: others' figures, not run here. A name stands for the same
recipe in all studies, so a cell that one of them has run is there for the others.
"""

import json
from dataclasses import dataclass
from typing import Any

from benchmarks import HERE
from benchmarks.recipes import Setting, of_cell, resolved
from conlst.errors import BadInput, allowed

Json = dict[str, Any]
STUDIES = HERE / "studies"
FIRST_SEED = 13
JOINT = "joint"
"""Stands in the place of a language where one model is for all."""


@dataclass(frozen=True)
class System:
    """A row of a table."""

    name: str
    label: str
    recipe: Json | None
    paper: float | None
    """The average it prints, in percent."""
    note: str


@dataclass(frozen=True)
class Study:
    """Systems in the order of their table."""

    name: str
    title: str
    baseline: str | None
    systems: list[System]
    only: str = ""
    """The one setting in which its recipes make sense; "": any."""


@dataclass(frozen=True)
class Cell:
    """One run: a system, one language (or all in one model), one seed."""

    setting: Setting
    system: str
    languages: tuple[str, ...]
    language: str
    """Its own, or `JOINT`."""
    seed: int
    recipe: Json

    @property
    def name(self) -> str:
        return f"{self.system}/{self.language}-{self.seed}"

    @property
    def place(self) -> str:
        """Of its run folder under --out, and of its result file under --results."""
        return f"{self.setting.name}/{self.name}"


def names() -> list[str]:
    """Every study there is."""
    return sorted(path.stem for path in STUDIES.glob("*.json"))


def study(name: str) -> Study:
    """A study by its name.

    Raises:
        BadInput: there is none.
    """
    if name not in names():
        raise BadInput(f"no study {name!r}; {allowed(name, names())}")
    raw = json.loads((STUDIES / f"{name}.json").read_text(encoding="utf-8"))
    systems = [
        System(key, x["label"], x.get("recipe"), x.get("paper"), x.get("note", ""))
        for key, x in raw["systems"].items()
    ]
    return Study(name, raw["title"], raw.get("baseline"), systems, raw.get("setting", ""))


def cells(
    plan: Study,
    place: Setting,
    languages: list[str],
    seeds: list[int],
    only: list[str] | None = None,
) -> list[Cell]:
    """Every cell of a study, or of some of its systems: seed by seed, system by system.

    Raises:
        BadInput: a recipe is unfit, or there is no such language or system.
    """
    known = [system.name for system in plan.systems]
    for name in only or ():
        if name not in known:
            raise BadInput(f"no system {name!r} in {plan.name}; {allowed(name, known)}")
    run = [s for s in plan.systems if s.recipe is not None and (not only or s.name in only)]
    whole = {system.name: resolved(place, system.recipe or {}) for system in run}
    return [
        Cell(place, name, codes, language, seed, of_cell(raw, list(codes), seed, name))
        for seed in seeds
        for name, raw in whole.items()
        for codes, language in _models(raw, languages)
    ]


def _models(whole: Json, languages: list[str]) -> list[tuple[tuple[str, ...], str]]:
    """(languages, name) of every model of a system."""
    if whole["data"]["adapt"] == "joint":
        return [(tuple(languages), JOINT)]
    return [((code,), code) for code in languages]
