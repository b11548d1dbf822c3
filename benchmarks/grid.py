"""Many cells on few processes: what they have in common comes first, and few wait for it."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from benchmarks.cells import SHARED, Cell
from benchmarks.crew import Worker
from benchmarks.live import View, done_stages

POLL = 0.5
"""Seconds between two looks at the cells that run."""


@dataclass
class Grid:
    """Cells that are to be run."""

    waiting: list[Cell]
    out: Path
    made: set[str] = field(default_factory=set)
    """Prefixes that some cell has behind it."""

    def __post_init__(self) -> None:
        self.prefixes = {cell.place: prefixes(cell) for cell in self.waiting}

    def next(self, busy: Sequence[Cell]) -> Cell | None:
        """The first cell whose prefixes nobody is just making; None: better wait."""
        for cell in busy:
            self.made.update(self._behind(cell))
        making = {prefix for cell in busy for prefix in self.prefixes[cell.place].values()}
        making -= self.made
        for cell in self.waiting:
            if making.isdisjoint(self.prefixes[cell.place].values()):
                self.waiting.remove(cell)
                return cell
        return None

    def _behind(self, cell: Cell) -> list[str]:
        done, prefix = done_stages(self.out / cell.place), self.prefixes[cell.place]
        return [prefix[stage] for stage in done if stage in prefix]

    def ended(self, cell: Cell, shared: dict[str, str], busy: Sequence[Cell], place: Path) -> None:
        """Let go of a shared stage 1 that no other cell needs; source stages serve all studies."""
        prefix = self.prefixes[cell.place]
        self.made.update(prefix.values())
        wanted = [self.prefixes[other.place].get("contrastive") for other in [*self.waiting, *busy]]
        if "contrastive" in shared and prefix.get("contrastive") not in wanted:
            shutil.rmtree(place / shared["contrastive"], ignore_errors=True)


def prefixes(cell: Cell) -> dict[str, str]:
    """What cells may have in common, by stage: equal texts, equal weights."""
    recipe = cell.recipe
    data = {key: value for key, value in recipe["data"].items() if key != "targets"}
    source = json.dumps([recipe["seed"], recipe["model"], data, recipe["source"]])
    if not recipe["contrastive"]:
        return {"source": source}
    first = json.dumps([source, cell.languages, recipe["contrastive"]])
    return {"source": source, "contrastive": first}


def run(cells: list[Cell], jobs: int, out: Path, root: Path, view: View) -> dict[str, str]:
    """Run cells in so many processes; returns why each that failed did, by its place.

    Interrupted, it leaves every cell where it can be taken up.
    """
    threads = max(1, _cores() // jobs)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # read when a worker loads torch
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    grid, failed = Grid(list(cells), out), dict[str, str]()
    crew = list[Worker]()
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of `finally`
    try:
        crew += [Worker.hired(out, root) for _ in range(min(jobs, len(cells)))]
        while grid.waiting or any(worker.cell for worker in crew):
            for worker in crew:
                if worker.cell is None and (cell := grid.next(_busy(crew))):
                    worker.begin(cell)
            ready = wait([worker.pipe for worker in crew if worker.cell], timeout=POLL)
            for at, worker in enumerate(crew):
                if worker.pipe in ready and worker.cell:
                    cell, told = worker.cell, worker.answer()
                    if "failed" in told:
                        failed[cell.place] = told["failed"]
                    grid.ended(cell, told.get("shared", {}), _busy(crew), out / SHARED)
                    view.ended(cell, told)
                    if not worker.alive:
                        crew[at] = Worker.hired(out, root)
            view.show({cell.place: done_stages(out / cell.place) for cell in _busy(crew)})
    finally:
        for worker in crew:
            worker.dismiss()
        signal.signal(signal.SIGTERM, before)
    return failed


def _busy(crew: Sequence[Worker]) -> list[Cell]:
    return [worker.cell for worker in crew if worker.cell]


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
