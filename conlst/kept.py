"""Stages that are whole: their records, their files, and whose weights may go.

A file that a stage left must be what it left, or nothing is built on it. Of the iterations of
self-training the last two keep their weights: the next one starts from the last, and where that is
rolled back, the one before is handed out. The source stage and stage 1 keep theirs, since
`reinit` may go back to them. Records and tables, which reports are made of, all stay.
"""

import shutil
from typing import Any

from conlst import processes
from conlst.bench import Bench

RECORD = "record.json"


def record_of(bench: Bench, place: str) -> dict[str, Any] | None:
    """What a stage told, if it is whole.

    Raises:
        BadInput: a file that it left is missing, or another one now.
    """
    record = bench.folder.read_json(f"{place}/{RECORD}")
    if record is not None:
        bench.folder.check(record.get("files", {}))
        bench.snapshot(place).remove()
    return record


def prune(bench: Bench, places: list[str]) -> None:
    """Let go of the weights of these stages."""

    def let_go() -> None:
        for place in places:
            _pruned(bench, place)

    processes.by_first(let_go)


def _pruned(bench: Bench, place: str) -> None:
    record = bench.folder.read_json(f"{place}/{RECORD}")
    assert record is not None
    files = record.get("files", {})
    record["files"] = {n: sha for n, sha in files.items() if not n.startswith(f"{place}/")}
    # First the record: a kill now leaves more than is needed, never less than is told.
    bench.folder.write_json(f"{place}/{RECORD}", record)
    for left in (bench.folder.path / place).iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != RECORD:
            left.unlink()
