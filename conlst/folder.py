"""The run folder: what is in it is whole, because everything is written aside and then renamed."""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conlst.errors import BadInput


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run of one recipe."""

    path: Path

    @classmethod
    def open(cls, path: Path, recipe: dict[str, Any]) -> "RunFolder":
        """The folder at `path`, for a run of this recipe; nothing is written yet.

        Raises:
            BadInput: something else is there: another recipe's run (the differences are named), or
                files that are no run. Nothing is overwritten.
        """
        folder = cls(path)
        if path.exists() and not path.is_dir():
            raise BadInput(f"{path}: cannot be a run folder: it is a file")
        kept = folder.read_json("recipe.json")
        if kept is None:
            there = path.iterdir() if path.is_dir() else ()
            if stray := sorted(p.name for p in there if not p.name.startswith(".")):
                raise BadInput(
                    f"{path}: holds {', '.join(stray[:3])} and no recipe.json, so it is no run "
                    "folder; choose another with --out"
                )
        elif differing := differences([kept, recipe]):
            raise BadInput(
                f"{path}: holds a run of another recipe; they differ in "
                f"{', '.join(list(differing)[:5])}; choose another folder with --out"
            )
        return folder

    def start(self, recipe: dict[str, Any]) -> None:
        """Write the recipe, which makes the folder a run's; once everything else was checked.

        Raises:
            BadInput: the folder cannot be written.
        """
        try:
            self.write_json("recipe.json", recipe)
        except OSError as error:
            raise BadInput(f"{self.path}: cannot be a run folder: {error.strerror}") from None

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The object in a file, or None where there is no such file."""
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None  # what cannot be there either is said when it is written
        except OSError as error:
            raise BadInput(f"{self.path / name}: cannot be read: {error.strerror}") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"{self.path / name}: not JSON: {error}") from None
        if not isinstance(value, dict):
            raise BadInput(f"{self.path / name}: holds a {type(value).__name__}, not an object")
        return value

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        self.write_text(
            name, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        )

    def write_text(self, name: str, text: str) -> None:
        self._write(name, lambda path: path.write_bytes(text.encode()))

    def write_table(self, name: str, table: pa.Table) -> None:
        self._write(name, lambda path: pq.write_table(table, path, compression="zstd"))

    def write_folder(self, name: str, fill: Callable[[Path], None]) -> None:
        """Make a folder by `fill(temporary)` and put it in place in one step."""

        def make(path: Path) -> None:
            path.mkdir()
            fill(path)

        self._write(name, make)

    def event(self, kind: str, **facts: Any) -> None:
        """Append a line to events.jsonl."""
        line = json.dumps(
            {"time": round(time.time(), 3), "event": kind, **facts}, ensure_ascii=False
        )
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _write(self, name: str, make: Callable[[Path], object]) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.unfinished")
        _remove(aside)
        make(aside)
        for file in aside.rglob("*") if aside.is_dir() else [aside]:
            if file.is_file():
                _flush(file)
        if target.is_dir():
            _remove(target)
        os.replace(aside, target)
        _flush(target.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def differences(values: Sequence[Any], path: str = "") -> dict[str, list[Any]]:
    """JSON paths at which several values are not all the same, and what each holds there.

    Parts of different types differ as wholes, not parameter by parameter.

    Examples:
        >>> differences([{"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}])
        {'a.c': [2, 3]}
    """
    objects = all(isinstance(value, dict) for value in values)
    if not objects or len({str(value.get("type")) for value in values}) > 1:
        same = all(value == values[0] for value in values)
        return {} if same else {path.lstrip("."): list(values)}
    return {
        place: found
        for key in sorted({key for value in values for key in value})
        for place, found in differences([v.get(key) for v in values], f"{path}.{key}").items()
    }
