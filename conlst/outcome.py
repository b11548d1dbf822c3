"""What a stage tells, beside the changed model; it can be put aside with the weights."""

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conlst.arrays import Selection
from conlst.errors import ConlstWarning
from conlst.folder import RunFolder

PLAIN = ("facts", "warnings", "seconds", "tokens", "positions")
"""What of an outcome is JSON."""


@dataclass
class Outcome:
    """What a stage tells, beside the changed model."""

    facts: dict[str, Any]
    columns: dict[str, Any] = field(default_factory=dict)
    """More columns of the table of its pseudo-labels, as pyarrow arrays."""
    curve: pa.Table | None = None
    """Labels of pool rows on the way (stage 1)."""
    selection: Selection | None = None
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0
    """Computed while it trained."""
    positions: int = 0
    """The same, padding included."""
    shared: str | None = None
    """Under which key runs share it; None: it is this run's alone."""

    def keep(self, folder: Path) -> None:
        """Write all but the selection, which later iterations take from the run folder."""
        place = RunFolder(folder)
        place.write_table("columns.parquet", pa.table(self.columns))
        if self.curve is not None:
            place.write_table("curve.parquet", self.curve)
        place.write_json("outcome.json", {name: getattr(self, name) for name in PLAIN})

    @classmethod
    def kept(cls, folder: Path) -> "Outcome":
        """What `keep` wrote."""
        plain = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
        columns, curve = pq.read_table(folder / "columns.parquet"), folder / "curve.parquet"
        return cls(
            columns={name: columns[name] for name in columns.column_names},
            curve=pq.read_table(curve) if curve.is_file() else None,
            **plain,
        )


class Watch:
    """How long a stage has taken, and what it has warned of so far."""

    def __init__(self, caught: list[warnings.WarningMessage]) -> None:
        self._caught, self._start = caught, time.perf_counter()

    @property
    def warnings(self) -> list[str]:
        """Each once, in their order."""
        return list(dict.fromkeys(str(warning.message) for warning in self._caught))

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def state_dict(self) -> dict[str, Any]:
        return {"warnings": self.warnings, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._start = time.perf_counter() - state["seconds"]
        for text in state["warnings"]:
            warnings.warn(text, ConlstWarning, stacklevel=1)


@contextmanager
def watched(outcome: Outcome) -> Iterator[Watch]:
    """Time a stage and keep what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watch = Watch(caught)
        yield watch
    outcome.warnings += watch.warnings
    outcome.seconds = watch.seconds
