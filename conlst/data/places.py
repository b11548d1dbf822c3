"""A place that rows are read from, whatever its format."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute

from conlst.errors import BadInput

Column: TypeAlias = Any  # of pyarrow, whose type stubs refuse much that it accepts
pc: Any = pyarrow.compute


@dataclass(frozen=True)
class Source:
    """A place to read from: its columns, and how to read some of them.

    `read` skips no row, so that a row's position is its number.
    """

    place: str
    names: list[str]
    read: Callable[[list[str]], pa.Table]


@contextmanager
def refusing(place: str, text_file: Path | None = None) -> Iterator[None]:
    """Say where, when a reader gives up."""
    try:
        yield
    except BadInput:
        raise
    except (ValueError, OSError, EOFError, zlib.error, pa.ArrowException, RecursionError) as error:
        if text_file and (isinstance(error, UnicodeError) or "UTF8" in str(error)):
            raise BadInput(f"{place}: not UTF-8 text: {_undecodable(text_file)}") from None
        raise BadInput(f"{place}: cannot be read: {str(error)[:300]}") from None


def _undecodable(path: Path) -> str:
    with bytes_of(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number}: byte 0x{line[error.start]:02x} ({error.reason})"
    return "a character that is half of a pair"  # an escape such as \ud83d on its own in JSON


def bytes_of(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked if it is packed, whatever its name says."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def listed(names: Iterable[str]) -> str:
    """Names as a message shows them."""
    return ", ".join(map(repr, names)) or "none"
