"""What a run shows, from the files of its folder, with gold joined by id here and only here.

`build.build(folder)` makes the data of `report.json`; `markdown.markdown` and `terminal.table` say
it to a reader. Nothing heavy is imported before one of them is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Report:
    """A finished run: where it lies and what its `report.json` holds."""

    folder: Path
    data: dict[str, Any]
