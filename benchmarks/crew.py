"""Processes that run cells one after another, so that each imports and reads a thing once."""

import multiprocessing
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.cells import Cell
from conlst.errors import BadInput

SPAWN = multiprocessing.get_context("spawn")  # CUDA does not survive a fork


@dataclass
class Worker:
    """A process, the pipe to it, and the cell it is at."""

    process: Any
    pipe: Connection
    cell: Cell | None = None

    @classmethod
    def hired(cls, out: Path, root: Path) -> "Worker":
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=serve, args=(theirs, out, root), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    def begin(self, cell: Cell) -> None:
        self.pipe.send(cell)
        self.cell = cell

    def answer(self) -> dict[str, Any]:
        """What came of its cell; also that the process died over it."""
        self.cell = None
        try:
            return dict(self.pipe.recv())
        except (EOFError, OSError):
            self.process.join()
            return {"failed": f"its process died (exit code {self.process.exitcode})"}

    @property
    def alive(self) -> bool:
        return bool(self.process.is_alive())

    def dismiss(self) -> None:
        """Let it go: at once, since all it writes is whole or not there."""
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def serve(pipe: Connection, out: Path, root: Path) -> None:
    """The life of a worker: a cell comes, an answer goes, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and it decides
    from benchmarks import running

    while True:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(running.run(cell, out, root))
        except BadInput as error:
            pipe.send({"failed": str(error)})
        except Exception:
            pipe.send({"failed": traceback.format_exc()})
