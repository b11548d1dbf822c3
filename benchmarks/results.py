"""Result files as tables, intervals and figures read them; nothing heavy is imported for it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conlst.errors import BadInput

Json = dict[str, Any]


def read(root: Path, setting: str, systems: Sequence[str]) -> dict[str, list[Json]]:
    """All results in a setting, by system."""
    return {
        name: [record(f) for f in sorted((root / setting / name).glob("*.json"))]
        for name in systems
    }


def record(file: Path) -> Json:
    """The object in a JSON file."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def kept(result: Json, language: str) -> Json:
    """The test figures of a language, after the last stage that was kept of its model."""
    return test(result, language, result["kept"][language])


def test(result: Json, language: str, name: str) -> Json:
    """The test figures of a language after a stage."""
    return dict(stage(result, name)["test"][language])


def stage(result: Json, name: str) -> Json:
    """What is told of a stage; nothing, if the cell has none of that name."""
    return next((dict(each) for each in result["stages"] if each["name"] == name), {})


def average(result: Json) -> float | None:
    """Accuracy of the models handed out, over the languages of a cell."""
    found = [kept(result, code)["accuracy"] for code in result["kept"]]
    return None if None in found or not found else sum(found) / len(found)


def units(folder: Path, rows: str) -> list[int]:
    """The number of the premise (or of the row itself) of every test row, by id.

    Raises:
        BadInput: the setting's folder of results does not say.
    """
    file = folder / f"rows-{rows}.json"
    if not file.is_file():
        raise BadInput(
            f"{file}: is not there, and without it nobody knows which rows share a premise"
        )
    return list(record(file)["groups"])
