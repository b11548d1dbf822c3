"""Reading: rows from the hub and from local files, as text."""

from conlst.data.columns import guess_columns
from conlst.data.rows import (
    Gold,
    Labelled,
    content_hash,
    header,
    read_gold,
    read_labelled,
    read_rows,
)

__all__ = [
    "Gold",
    "Labelled",
    "content_hash",
    "guess_columns",
    "header",
    "read_gold",
    "read_labelled",
    "read_rows",
]
