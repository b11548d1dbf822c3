"""One cell, from its recipe to its result file. Imported where cells are run: it brings torch."""

import gc
import shutil
import time
from pathlib import Path
from typing import Any

import torch

import conlst
from benchmarks import keeping, results
from benchmarks.cells import SHARED, Cell
from conlst.memory import most_resident


def run(cell: Cell, out: Path, root: Path) -> dict[str, Any]:
    """Run a cell, or go on with it, and keep what is a result; its run folder is then let go.

    Returns:
        `accuracy` of the models handed out, averaged over the languages, and `shared`: under which
        key each shared stage is kept.
    """
    folder, start = out / cell.place, time.perf_counter()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    report = conlst.run(cell.recipe, out=folder, shared=out / SHARED, page=False)
    seconds = round(time.perf_counter() - start, 1)
    result = keeping.of_run(cell, report, {"seconds": seconds, "peak_bytes": _peak()})
    told = {"accuracy": report.data["handed_out"]["average"]["accuracy"], "shared": _shared(folder)}
    keeping.write(keeping.path(root, cell), result)
    shutil.rmtree(folder)
    del report
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return told


def _peak() -> dict[str, int | None]:
    """Of the process since it began, which may have run other cells; of the GPU, this cell's."""
    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    return {"process": most_resident(), "gpu": gpu}


def _shared(folder: Path) -> dict[str, str]:
    records = [results.record(file) for file in folder.glob("checkpoints/**/record.json")]
    return {record["name"]: record["shared"] for record in records if record["shared"]}
