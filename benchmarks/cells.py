"""The cells of a study: one run each, of a system, a language (or all in one model) and a seed."""

from dataclasses import dataclass

from benchmarks.recipes import Json, Setting, of_cell, resolved
from benchmarks.study import Study
from conlst.errors import BadInput, allowed

FIRST_SEED = 13
JOINT = "joint"
"""Stands in the place of a language where one model is for all of a setting."""
SHARED = "shared"
"""Where the cells of all studies keep the stages they have in common, under --out."""
Model = tuple[tuple[str, ...], str]
"""The languages it is adapted to, and the name of its cells: `sw`, or `sw+ur`, or `JOINT`."""


@dataclass(frozen=True)
class Cell:
    """One run: a system, one language (or all in one model), one seed."""

    setting: Setting
    system: str
    languages: tuple[str, ...]
    language: str
    """Its own; all that share its model, as in `sw+ur`; or `JOINT`."""
    seed: int
    recipe: Json

    @property
    def name(self) -> str:
        return f"{self.system}/{self.language}-{self.seed}"

    @property
    def place(self) -> str:
        """Of its run folder under --out, and of its result file under --results."""
        return f"{self.setting.name}/{self.name}"


def cells(
    plan: Study,
    place: Setting,
    languages: list[str],
    seeds: list[int],
    only: list[str] | None = None,
) -> tuple[list[Cell], dict[str, str]]:
    """Every cell of a study, or of some of its systems: seed by seed, system by system.

    Returns:
        Them, and why a system (in a language) cannot be run here, such as for want of a translator.

    Raises:
        BadInput: there is no such language or system.
    """
    known = [system.name for system in plan.systems]
    _refuse_unknown("system", only or [], known)
    _refuse_unknown("language", languages, place.languages)
    run = [s for s in plan.systems if s.recipe is not None and (not only or s.name in only)]
    found, refused = list[Cell](), dict[str, str]()
    for system in run:
        try:
            whole = resolved(place, place.own(system.name, system.recipe or {}))
            models = models_of(whole, languages, place)
        except BadInput as error:
            refused[system.name], models = str(error), []
        for model in models:
            try:
                found += _seeds(place, system.name, whole, model, seeds)
            except BadInput as error:
                refused[f"{system.name}/{model[1]}"] = str(error)
    return sorted(found, key=lambda cell: cell.seed), refused


def _refuse_unknown(kind: str, asked: list[str], known: list[str]) -> None:
    for name in asked:
        if name not in known:
            raise BadInput(f"no {kind} {name!r}; {allowed(name, known)}")


def _seeds(place: Setting, system: str, whole: Json, model: Model, seeds: list[int]) -> list[Cell]:
    """The cells of one model, a seed each."""
    codes, name = model
    return [
        Cell(place, system, codes, name, seed, of_cell(whole, list(codes), seed, system))
        for seed in seeds
    ]


def models_of(whole: Json, languages: list[str], place: Setting) -> list[Model]:
    """Every model of a system; one for several languages is another than one for others."""
    if whole["data"]["adapt"] == "joint":
        every = languages == place.languages
        return [(tuple(languages), JOINT if every else "+".join(languages))]
    return [((code,), code) for code in languages]
