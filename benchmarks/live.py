"""What one sees while a grid runs: systems down, languages across; plain lines when piped."""

from statistics import mean
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from benchmarks.cells import Cell
from conlst.progress import inert

WAITING = "."


def done_stages(folder: Any) -> list[str]:
    """Stages of a run that are finished, in order; it may be at work, or be deleted meanwhile."""
    try:
        records = sorted(folder.glob("checkpoints/**/record.json"), key=lambda p: p.stat().st_mtime)
    except FileNotFoundError:
        return []  # whoever looks, looks again
    names = [record.parent.name for record in records]
    return [name for name in names if not name.startswith(".")]  # not in its place yet


class View:
    """A table of all cells of a grid.

    Args:
        cells: all of them, also those that are done.
        known: accuracy of the cells that are done, by their place.
    """

    def __init__(self, cells: list[Cell], known: dict[str, float | None]) -> None:
        self.cells, self.known = cells, dict(known)
        self.failed: set[str] = set()
        self.console = Console(stderr=True, highlight=False)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def ended(self, cell: Cell, told: dict[str, Any]) -> None:
        """A cell is done, or has failed."""
        if "failed" in told:
            self.failed.add(cell.place)
            self._print(f"failed  {cell.name}: {told['failed'].strip().splitlines()[-1]}")
            return
        self.known[cell.place] = told["accuracy"]
        left = len(self.cells) - len(self.known) - len(self.failed)
        self._print(f"done    {cell.name}  {_percent(told['accuracy'])}  ({left} to go)")

    def show(self, running: dict[str, list[str]]) -> None:
        """Draw the table anew.

        Args:
            running: the stages that are done, of each cell that runs, by its place.
        """
        if self.console.is_terminal:
            self.live.update(self._table(running), refresh=True)

    def _print(self, line: str) -> None:
        self.console.print(Text(inert(line)), soft_wrap=True)

    def _table(self, running: dict[str, list[str]]) -> Table:
        systems = list(dict.fromkeys(cell.system for cell in self.cells))
        languages = list(dict.fromkeys(cell.language for cell in self.cells))
        table = Table("", *languages, box=None, pad_edge=False)
        for system in systems:
            row = [
                [c for c in self.cells if (c.system, c.language) == (system, code)]
                for code in languages
            ]
            table.add_row(Text(system), *[Text(self._cell(cells, running)) for cells in row])
        return table

    def _cell(self, cells: list[Cell], running: dict[str, list[str]]) -> str:
        """All seeds of a system in a language."""
        at = [running[cell.place] for cell in cells if cell.place in running]
        done = [self.known[cell.place] for cell in cells if cell.place in self.known]
        values = [value for value in done if value is not None]
        parts = [_percent(mean(values))] if values else []
        parts += [f"{len(done)}/{len(cells)}"] if 0 < len(done) < len(cells) else []
        parts += [f"after {stages[-1]}" if stages else "source" for stages in at[:1]]
        parts += ["failed"] if any(cell.place in self.failed for cell in cells) else []
        return " ".join(parts) or (WAITING if cells else "")


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{100 * accuracy:.1f}"
