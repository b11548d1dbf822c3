"""A first recipe, drafted from the header of a labelled file: what `conlst init` writes."""

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conlst import data, describe
from conlst import recipe as recipes
from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.recipe import Columns

MODEL = "FacebookAI/xlm-roberta-base"
"""What is drafted where no model is named: small enough for one GPU, 100 languages."""


def columns(file: Path, given: Columns) -> tuple[Columns, list[str]]:
    """The columns of a file, guessed where they are not given, and all its column names.

    Raises:
        BadInput: a given column is not there, or the file cannot be read.
    """
    header = data.header(file)
    return data.guess_columns(header, given, where=file.name, needed=()), header


def draft(
    file: Path,
    found: Columns,
    *,
    language: str,
    targets: Mapping[str, Path],
    tests: Mapping[str, Path],
    model: str,
    out: Path,
) -> dict[str, Any]:
    """A recipe for these files, its paths relative to where it will stand.

    Args:
        file: labelled rows.
        found: its columns, text and label among them.
        language: of `file`.
        targets: unlabelled files by language.
        tests: labelled files by language.
        model: a hub name or a folder.
        out: the recipe's own path.
    """
    home = out.resolve().parent

    def rows(path: Path, *roles: str) -> dict[str, Any]:
        own = {role: name for role in roles if (name := getattr(_columns_like(path, found), role))}
        return {"path": _relative(path, home), "columns": own}

    everything: dict[str, dict[str, Any]] = {code: {} for code in [*targets, *tests]}
    for code, target in everything.items():
        target["unlabelled"] = (
            rows(targets[code], "id", "text", "pair") if code in targets else None
        )
        if code in tests:
            target["test"] = rows(tests[code], "id", "text", "pair", "label", "group")
    folder = Path(model)
    return {
        "conlst": 1,
        "name": re.sub(r"[^A-Za-z0-9._-]+", "-", out.stem).strip("-._") or "run",
        "extends": ["methods/conlst"],
        "model": {"name": _local(folder, home) if folder.is_dir() else model},
        "data": {
            "source": {"language": language, "train": rows(file, "id", "text", "pair", "label")},
            "targets": everything,
        },
    }


def write(draft: dict[str, Any], out: Path) -> recipes.Recipe:
    """Write a recipe that was found valid where it stands; another file is never half replaced.

    Raises:
        BadInput: it is not valid, or cannot be written.
    """
    text = json.dumps(draft, indent=2, ensure_ascii=False) + "\n"
    aside = out.with_name(f".{out.name}.draft")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        checked = recipes.load(aside)
        describe.check_files(checked)
        RunFolder(out.parent).write_text(out.name, text)
    except BadInput as error:
        raise BadInput(str(error).replace(aside.name, out.name)) from None
    except OSError as error:
        raise BadInput(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
    return checked


def _columns_like(file: Path, model: Columns) -> Columns:
    """The columns of a file that is likely, not sure, to name them as `model` does."""
    header = data.header(file)
    same = {role: name for role, name in model if name in header}
    return data.guess_columns(header, Columns(**same), where=file.name)


def _relative(path: Path, home: Path) -> str:
    return Path(os.path.relpath(path.resolve(), home)).as_posix()


def _local(folder: Path, home: Path) -> str:
    path = _relative(folder, home)
    return path if path.startswith("..") else f"./{path}"
