"""A study: named systems that are compared, and what the paper prints of them.

    studies/NAME.json   {"title": ..., "baselines": [NAME], "systems": {NAME: SYSTEM}}
    SYSTEM              {"label": ..., "recipe": {"extends": [METHOD], ...}, "paper": average}

A system without a recipe is imported: others' figures, not run here. A name stands for the same
recipe in all studies, so a cell that one of them has run is there for the others.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from benchmarks import HERE
from conlst.errors import BadInput, allowed

Json = dict[str, Any]
STUDIES = HERE / "studies"


@dataclass(frozen=True)
class System:
    """A row of a table."""

    name: str
    label: str
    recipe: Json | None = None
    paper: float | None = None
    """The average it prints, in percent."""
    note: str = ""


@dataclass(frozen=True)
class Study:
    """Systems in the order of their table."""

    name: str
    title: str
    systems: list[System]
    baselines: list[str] = field(default_factory=list)
    """The systems that the others are compared with."""
    kind: str = "accuracy"
    """What is made of its results: see `benchmarks.tables`."""
    languages: list[str] = field(default_factory=list)
    """What it looks at if nobody says otherwise; empty: all."""
    settings: list[str] = field(default_factory=list)
    """Those that it is about; empty: any."""
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Kinds of test rows that are told apart, by the names their files give them."""
    note: str = ""


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
    systems = [System(key, **told) for key, told in raw.pop("systems").items()]
    return Study(name, systems=systems, **raw)
