"""The run folder: what is in it is whole, because everything is written aside and then renamed.

One process at a time writes into it; of several that make one run, the first. What was cut off is
never taken for whole, and what was altered since is named.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import BaseFileLock, FileLock, Timeout
from safetensors import SafetensorError

from conlst import processes
from conlst.errors import BadInput

ASIDE = ".unfinished"
"""How the name of what is not yet in its place ends."""


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

    @contextlib.contextmanager
    def started(self, recipe: dict[str, Any]) -> Iterator[None]:
        """Make the folder this recipe's run, once all else was checked, and this process's alone.

        The lock of a process that dies is free.

        Raises:
            BadInput: the folder cannot be written, another process is at work in it, or has put
                something else there meanwhile.
        """
        lock = FileLock(self.path / ".lock")
        try:
            processes.by_first(lambda: self._take(lock, recipe))
            if self.read_json("recipe.json") is None:
                raise BadInput(
                    f"{self.path}: process {processes.number()} does not see what the first has "
                    "put there; the run folder must be one for all machines"
                )
            yield
        finally:
            lock.release()

    def _take(self, lock: BaseFileLock, recipe: dict[str, Any]) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise BadInput(
                f"{self.path}: another process is at work on this very run; wait for it, or choose "
                "another folder with --out"
            ) from None
        except OSError as error:
            raise BadInput(f"{self.path}: cannot be a run folder: {error.strerror}") from None
        RunFolder.open(self.path, recipe)
        for left in [*self.path.rglob(f".*{ASIDE}")]:
            _remove(left)
        self.write_json("recipe.json", recipe)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The object in a file, or None where there is no such file."""
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None  # what cannot be there either is said when it is written
        except OSError as error:
            raise BadInput(f"{self.path / name}: cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:  # its syntax, encoding, depth, or a number
            raise BadInput(f"{self.path / name}: not JSON: {error}") from None
        if not isinstance(value, dict):
            found = type(value).__name__
            raise BadInput(f"{self.path / name}: a JSON object belongs here; found {found}")
        return value

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        self.write_text(
            name, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        )

    def write_text(self, name: str, text: str) -> None:
        self.write(name, lambda path: path.write_bytes(text.encode()))

    def write_table(self, name: str, table: pa.Table) -> None:
        self.write(name, lambda path: pq.write_table(table, path, compression="zstd"))

    def write_folder(self, name: str, fill: Callable[[Path], None]) -> None:
        """Make a folder by `fill(temporary)` and put it in place in one step."""

        def make(path: Path) -> None:
            path.mkdir()
            fill(path)

        self.write(name, make)

    def write(self, name: str, make: Callable[[Path], object]) -> None:
        """Make a file or a folder by `make(temporary)` and put it in place in one step.

        Raises:
            BadInput: there is no room, or no right to write; nothing is left of the attempt.
        """
        processes.by_first(lambda: self._write(name, make))

    def _write(self, name: str, make: Callable[[Path], object]) -> None:
        target = self.path / name
        aside = target.with_name(f".{target.name}{ASIDE}")
        try:
            with _explaining(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                _remove(aside)
                make(aside)
                for file in _files(aside):
                    _flush(file)
                if target.is_dir():
                    _remove(target)
                os.replace(aside, target)
                _flush(target.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(aside)  # it may be what fills the disk
            raise

    def event(self, kind: str, **facts: Any) -> None:
        """Append a line to events.jsonl; a last line that was cut off is taken out first."""
        told = {"time": round(time.time(), 3), "event": kind, **facts}
        processes.by_first(lambda: self._append(json.dumps(told, ensure_ascii=False) + "\n"))

    def _append(self, line: str) -> None:
        place = self.path / "events.jsonl"
        with _explaining(place), place.open("a+b") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(line.encode())

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """The SHA-256 of files, and of all files in folders; those that are not there are left out.

        Keys are paths from here.
        """
        return {
            file.relative_to(self.path).as_posix(): _digest(file)
            for name in names
            for file in _files(self.path / name)
        }

    def check(self, digests: Mapping[str, str]) -> None:
        """Compare files with what they were.

        Raises:
            BadInput: one is missing, or is another file now.
        """
        for name, digest in digests.items():
            if not (self.path / name).is_file():
                raise BadInput(f"{self.path / name}: was written by this run and is missing")
            if _digest(self.path / name) != digest:
                raise BadInput(
                    f"{self.path / name}: is torn or was altered since this run wrote it (its "
                    "SHA-256 is another); put it back, or start anew with another --out"
                )


@contextlib.contextmanager
def _explaining(target: Path) -> Iterator[None]:
    """Say what could not be written, when the disk gives up."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(
            f"{target}: cannot be written: {why}; all that stands in the folder is whole, and the "
            "same command goes on from there"
        ) from error


def _files(path: Path) -> list[Path]:
    """The file, or all files in the folder, in order; none where there is neither."""
    return sorted(file for file in [path, *path.rglob("*")] if file.is_file())


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
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
