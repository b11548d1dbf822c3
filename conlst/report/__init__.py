"""What a run shows, from the files of its folder, with gold joined by id here and only here.

`build.build(folder)` makes the data of `report.json`; `page.page`, `markdown.markdown` and
`terminal.table` say it to a reader, and `publish` writes it into the run folder. Nothing heavy is
imported before one of them is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, repr=False)
class Report:
    """A finished run: where it lies and what its `report.json` holds."""

    folder: Path
    data: dict[str, Any]

    @property
    def page(self) -> Path:
        """The report as a page for a browser."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        from conlst.report.words import percent

        average = self.data["handed_out"]["average_targets"]["accuracy"]
        return f"Report({str(self.folder)!r}: {percent(average)} % on the targets)"

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary and the table of accuracies."""
        from conlst.report.page import summary

        return summary(self.data, self.page)
