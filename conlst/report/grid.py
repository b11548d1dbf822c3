"""Tables before they are drawn: marked cells in rows under a header."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple


class Cell(NamedTuple):
    """One field: text straight from the data, not escaped for anything."""

    text: str
    mark: Literal["", "best", "withdrawn"] = ""


class Grid(NamedTuple):
    """A table: its first column names the rows, the others hold figures."""

    title: str
    header: list[str]
    rows: list[list[Cell]]
    note: str = ""


def grid(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> Grid:
    """A table of unmarked text."""
    return Grid(title, list(header), [[Cell(text) for text in row] for row in rows], note)
