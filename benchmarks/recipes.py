"""From a setting and a system of a study to the recipe of a cell.

A setting is a recipe's model, data and numbers of epochs; a system is a method and what differs
from it. Between the two stands the setting's budget: what every method gets here, whichever it is.

    settings/NAME.json          a recipe, if the package has none of that name; {bed} is --bed
    settings/NAME.budget.json   {"stages": {STAGE: values}, "parts": {STAGE: {TYPE: values}},
                                "translate": values, "systems": {SYSTEM: differences}}

A budget's `stages` fill those stages that a method has; its `parts` go to every part of that type
in the stage; `translate` goes where a method translates texts. What a system says of itself is said
last, and then what `systems` says of it for this setting. A setting without a budget has that of
the setting it extends.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmarks import HERE, PACKAGED
from conlst import recipe as recipes
from conlst.augment import augmenters
from conlst.errors import BadInput, allowed
from conlst.recipe.files import anchored, expanded, extended, merged_over

Json = dict[str, Any]
SETTINGS = HERE / "settings"


@dataclass(frozen=True)
class Setting:
    """Model, data and budget that all systems of a table are compared in."""

    name: str
    recipe: Json
    """Merged, its paths absolute."""
    budget: Json = field(default_factory=dict)
    bed: Path | None = None
    """Where data that may not be shipped lie."""

    @property
    def languages(self) -> list[str]:
        return list(self.recipe["data"]["languages"])

    @property
    def source(self) -> str:
        return str(self.recipe["data"]["source"].get("language", "en"))

    def own(self, system: str, recipe: Json) -> Json:
        """A system's differences, with what it gets here instead of what all get."""
        return merged_over(recipe, self.budget.get("systems", {}).get(system, {}))

    def anonymous(self, value: Any) -> Any:
        """The same JSON with names in the place of this machine's folders."""
        if isinstance(value, dict):
            return {key: self.anonymous(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.anonymous(item) for item in value]
        if not isinstance(value, str):
            return value
        known = {"{bed}": self.bed, "{conlst}": PACKAGED.parent, "{benchmarks}": HERE}
        for name, folder in known.items():
            value = value.replace(f"{folder}/", f"{name}/")
        return Path(value).name if value.startswith("/") else value


def names() -> list[str]:
    """Every setting there is."""
    own = {path.stem for path in SETTINGS.glob("*.json") if not path.stem.endswith(".budget")}
    return sorted(own | {path.stem for path in (PACKAGED / "settings").glob("*.json")})


def setting(name: str, bed: Path | None = None) -> Setting:
    """A setting by its name, or by the path of its recipe.

    Raises:
        BadInput: there is none, or it needs to be told where its data lie.
    """
    file = _file(name)
    raw = json.loads(file.read_text(encoding="utf-8"))
    budget = _budget(file, raw.get("extends", []))
    text = json.dumps(extended(anchored(raw, file.parent), file.parent, ()))
    if "{bed}" in text and bed is None:
        raise BadInput(
            f"setting {name!r}: its data may not be shipped; name the folder that holds them by "
            "--bed FOLDER, or in CONLST_BED"
        )
    bed = bed.resolve() if bed else None
    here = f"{file.parent.as_posix()}/{{bed}}"  # a recipe's paths are taken from its own folder
    merged = json.loads(text.replace(here, bed.as_posix()) if bed else text)
    return Setting(file.stem, merged, budget, bed)


def _budget(file: Path, extends: list[str]) -> Json:
    """The budget of a setting: its own, else that of a setting beside it that it extends."""
    folder = SETTINGS if file.is_relative_to(PACKAGED) else file.parent
    for name in (file.name, *extends):
        beside = (folder / name).with_suffix(".budget.json")
        if beside.is_file():
            return dict(json.loads(beside.read_text(encoding="utf-8")))
    return {}


def _file(name: str) -> Path:
    if name.endswith(".json") and Path(name).is_file():
        return Path(name).resolve()
    for folder in (SETTINGS, PACKAGED / "settings"):
        if (folder / f"{name}.json").is_file():
            return folder / f"{name}.json"
    raise BadInput(f"no setting {name!r}; {allowed(name, names())}, or the path of a recipe")


def resolved(place: Setting, system: Json) -> Json:
    """The whole recipe of a system in a setting, for all its languages.

    Raises:
        BadInput: it is no recipe.
    """
    differences = {key: value for key, value in system.items() if key != "extends"}
    method = extended({"extends": system.get("extends", [])}, HERE / "studies", ())
    base = merged_over(place.recipe, method)
    for stage, values in place.budget.get("stages", {}).items():
        if base.get(stage, {}) is not None:  # a stage that a method has not stays away
            base = merged_over(base, {stage: values})
    if base["data"].get("translate"):
        translate = {"translate": place.budget.get("translate", {})}
        base = merged_over(base, {"data": translate})
    parts = place.budget.get("parts", {})
    raw = _written_out(_with_values(base, parts, own_first=False))
    raw = _with_values(raw, parts, own_first=False)  # parts that a recipe need not name
    whole = _written_out(merged_over(raw, _with_values(differences, parts, own_first=True)))
    return {key: _translated_here(value) for key, value in whole.items()}


def _written_out(raw: Json) -> Json:
    """Every field of a recipe, defaults included."""
    try:
        checked = recipes.Recipe.model_validate(expanded(raw))
    except ValidationError:
        checked = recipes.load(raw)  # says what is wrong
    return checked.model_dump(mode="json")


def _with_values(raw: Json, parts: Json, *, own_first: bool) -> Json:
    def walk(node: Any, values: Json) -> Any:
        if isinstance(node, list):
            return [walk(item, values) for item in node]
        if not isinstance(node, dict):
            return node
        own = {key: walk(item, values) for key, item in node.items()}
        given = values.get(own.get("type"), {})
        return given | own if own_first else own | given

    return {key: walk(item, parts[key]) if key in parts else item for key, item in raw.items()}


def of_cell(whole: Json, languages: list[str], seed: int, name: str) -> Json:
    """The recipe of one cell, checked whole.

    Raises:
        BadInput: a language that the setting has not, or parts that do not fit together.
    """
    targets = whole["data"]["targets"]
    for code in languages:
        if code not in targets:
            raise BadInput(f"no language {code!r} in this setting; {allowed(code, targets)}")
    data = whole["data"] | {"targets": {code: targets[code] for code in languages}}
    raw = whole | {"name": name, "seed": seed, "data": data, "description": ""}
    return recipes.load(raw).model_dump(mode="json")


def _translated_here(node: Any) -> Any:
    """Back-translation only of languages whose translator is installed, if others may do without.

    A result says which languages did: `skipped`, in the records of its stages.
    """
    if isinstance(node, list):
        return [_translated_here(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "back_translation" and node["missing"] == "skip":
        part = augmenters.validate(node)
        here = {code: via for code, via in node["pivot"].items() if not part.misfits((code,))}
        return node | {"pivot": here}
    return {key: _translated_here(item) for key, item in node.items()}
