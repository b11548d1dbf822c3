"""A run's recipe as its folder recorded it: read as data, so that no part of it is ever loaded.

A report can therefore be made where the parts of a run are not installed, and by whoever does not
trust their code.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.recipe import Data

Json = dict[str, Any]

FILE = "recipe.json"


class Loop(BaseModel):
    """What a report must know of self-training."""

    iterations: int
    stop: Json | None = None


class Recorded(BaseModel):
    """What a report must know of a recipe."""

    model_config = ConfigDict(frozen=True)

    name: str
    seed: int
    data: Data
    contrastive: Json | None
    self_training: Loop | None

    @field_validator("data", mode="before")
    @classmethod
    def _without_translators(cls, data: Any) -> Any:
        """They are parts, and a part that is `module:Class` is code: to check it is to run it."""
        return data | {"translate": None} if isinstance(data, dict) else data

    def stages(self) -> list[str]:
        """Names of the stages that were asked for, in order."""
        names = ["source"]
        if not self.data.adapted():
            return names
        if self.contrastive is not None:
            names.append("contrastive")
        if self.self_training is not None:
            names += [f"self_training-{i + 1}" for i in range(self.self_training.iterations)]
        return names


def read_recipe(folder: Path) -> tuple[Recorded, Json]:
    """The recipe of a run folder, and its JSON.

    Raises:
        BadInput: it is no run folder, or the recipe in it is none.
    """
    file = folder / FILE
    if not file.is_file():
        raise BadInput(f"{folder}: no run folder (no {FILE} in it){_hint(folder)}")
    raw = read_object(file)
    try:
        return Recorded.model_validate_json(json.dumps(raw)), raw
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(
            f"{file}: {error.error_count()} fault(s), first {place}: {first['msg']}"
        ) from None


def read_object(file: Path) -> Json:
    """The JSON object in a file of a run folder.

    Raises:
        BadInput: there is none.
    """
    value = RunFolder(file.parent).read_json(file.name)
    if value is None:
        raise BadInput(f"{file}: is not there, and belongs to a run folder")
    return value


def _hint(folder: Path) -> str:
    """Runs that lie inside the folder that was named, or beside it."""
    near = sorted(str(file.parent) for file in folder.glob(f"*/{FILE}"))
    if not near and folder.parent.is_dir():
        near = sorted(str(file.parent) for file in folder.parent.glob(f"*/{FILE}"))
    return f"; runs near it: {', '.join(near[:5])}" if near else ""
