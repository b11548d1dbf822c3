"""Translator: a file of translations that were made elsewhere."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
from pydantic import Field

from conlst.augment.translators.base import Translate, Translator, translators
from conlst.errors import BadInput

KEYS = ("source", "target", "text", "translation")
Entry = tuple[str, str, str, str]


@translators.register("table")
class Table(Translator):
    r"""Look translations up in a JSONL file.

        translate(w, source, target) = the last line of the file that says what w is in target
                                     = ""    if none does

    The file holds one object a line, source and target being languages as the recipe writes them:

        {"source": "fr", "target": "en", "text": "Bonjour.", "translation": "Hello."}

    Symbols: w, one of n texts; the answer is as long as the question, and with hit_n, bool[n],
    saying which texts the file holds, "" stands at all others.

    Paper: Chen et al. 2020, MixText, whose back-translations were made with fairseq beforehand and
    read from a file (its users asked for them in four issues, so here is the format).

    Departs: MixText's file is a pickle of Python objects, which can execute code; this one is text.

    Raises:
        BadInput: the file is not there, or a line is no such object; file and line are named.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> line = {"source": "fr", "target": "en", "text": "Bonjour.", "translation": "Hello."}
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "made.jsonl"
        ...     _ = path.write_text(json.dumps(line))
        ...     with Table(path=str(path)).opened() as translate:
        ...         translate(["Bonjour.", "Salut."], "fr", "en", generator=torch.Generator())
        ['Hello.', '']
    """

    path: str = Field(description="JSONL file: source, target, text, translation")

    def knows(self, source: str, target: str) -> bool:
        """Whether the file holds the pair; while there is none it may be any."""
        if self.obstacle(source, target):
            return source != target
        return (source, target) in _pairs(self.path, _stamp(self.path))

    def obstacle(self, source: str, target: str) -> str | None:
        """That the file is not there."""
        return None if os.path.isfile(self.path) else f"there is no file {self.path}"

    @contextmanager
    def opened(self) -> Iterator[Translate]:
        """The file in memory."""
        held = {(a, b, text): made for a, b, text, made in _lines(self.path)}

        def translate(
            texts: Sequence[str], source: str, target: str, *, generator: torch.Generator
        ) -> list[str]:
            return [held.get((source, target, text), "") for text in texts]

        yield translate

    def identity(self) -> str:
        """The file, its size and date."""
        return f"{self.model_dump_json()} {_stamp(self.path)}"


def _stamp(path: str) -> str:
    """Tells that somebody changed the file; "" if there is none."""
    stat = Path(path).stat() if os.path.isfile(path) else None
    return f"{stat.st_size} {stat.st_mtime_ns}" if stat else ""


@lru_cache(maxsize=8)
def _pairs(path: str, stamp: str) -> frozenset[tuple[str, str]]:
    """Which pairs a file holds, read once for each state of the file."""
    return frozenset((source, target) for source, target, _, _ in _lines(path))


def _lines(path: str) -> Iterator[Entry]:
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _entry(line, f"{path}:{number}")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None


def _entry(line: bytes, where: str) -> Entry:
    try:
        found = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not a line of JSON: {error}") from None
    if not isinstance(found, dict) or set(found) != set(KEYS):
        raise BadInput(f"{where}: needs exactly {', '.join(KEYS)}; found {line[:80]!r}")
    source, target, text, made = (found[key] for key in KEYS)
    if not all(isinstance(value, str) for value in (source, target, text, made)):
        raise BadInput(f"{where}: all four must be texts; found {line[:80]!r}")
    try:
        made.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{where}: half a character in the translation: {error.reason}") from None
    return source, target, text, made
