"""Tables before they are drawn: marked cells in rows under a header."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

_WORDS = re.compile(r"[^\W\d_]{2,}")


class Cell(NamedTuple):
    """One field: text straight from the data, not escaped for anything."""

    text: str
    mark: Literal["", "best", "withdrawn"] = ""


class Grid(NamedTuple):
    """A table: its first column names the rows, the others hold figures or words."""

    title: str
    header: list[str]
    rows: list[list[Cell]]
    note: str = ""

    def of_figures(self) -> list[bool]:
        """Which columns hold figures, to be set flush right; words are set flush left.

        Examples:
            >>> row = ["fr", "+0.5 (-1 to +2)", "a1.csv"]
            >>> grid("", ["language", "change", "file"], [row]).of_figures()
            [False, True, False]
        """
        columns = zip(*self.rows, strict=True) if self.rows else [() for _ in self.header]
        return [
            place > 0 and not any(_WORDS.search(cell.text.replace(" to ", "")) for cell in column)
            for place, column in enumerate(columns)
        ]


def grid(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> Grid:
    """A table of unmarked text."""
    return Grid(title, list(header), [[Cell(text) for text in row] for row in rows], note)
