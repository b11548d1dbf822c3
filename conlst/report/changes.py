"""What changed: the pool rows whose label is another one than the source model gave them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from torch import Tensor

from conlst.arrays import Rows
from conlst.data import read_rows
from conlst.recipe import Data
from conlst.report import gold
from conlst.report.files import Ids, RunFiles, open_run
from conlst.report.pools import PoolView, Views, views_of

Json = dict[str, Any]


class ChangedRow(NamedTuple):
    """One row, its two labels with their probabilities, and what it is where that is known."""

    language: str
    id: str
    text: str
    pair: str | None
    before: str
    before_confidence: float
    after: str
    after_confidence: float
    gold: str | None


SCHEMA = pa.schema(
    [
        pa.field(name, pa.float32() if name.endswith("_confidence") else pa.string())
        for name in ChangedRow._fields
    ]
)


def counted(run: RunFiles, seen: Sequence[Views], handed_out: Mapping[str, str]) -> Json:
    """Per language: rows whose label changed from the source model to the one handed out.

    Args:
        run: the run
        seen: the pools after each stage
        handed_out: by language, the stage whose model is handed out
    """
    return {
        code: {"to": handed_out[code]} | _counts(first, last)
        for code, first, last in _ends(run, seen, handed_out)
    }


def _counts(first: PoolView, last: PoolView) -> Json:
    changed = first.label != last.label
    out: Json = {"n": len(last.ids), "changed": int(changed.sum())}
    names = ("mended", "broken", "still_wrong")
    if first.correct is None or last.correct is None:
        return out | dict.fromkeys(names)
    was, now = first.correct[changed], last.correct[changed]
    parts = (~was & now, was & ~now, ~was & ~now)
    return out | {name: int(part.sum()) for name, part in zip(names, parts, strict=True)}


def _ends(
    run: RunFiles, seen: Sequence[Views], handed_out: Mapping[str, str]
) -> Iterator[tuple[str, PoolView, PoolView]]:
    """(language, its pool after the source stage, after the stage that is handed out)."""
    names = [stage.name for stage in run.stages]
    for code in run.recipe.data.adapted():
        if code in handed_out:
            last = seen[names.index(handed_out[code])][code]
            yield code, seen[0][code].beside(last), last


def changed_rows(folder: Path, report: Json) -> dict[str, list[ChangedRow]]:
    """Per language, the rows whose label changed, the surest of their new label first.

    Their texts are read from the files that the recipe names; a run folder holds none.

    Raises:
        BadInput: a file is not there any more, or holds other rows.
    """
    run = open_run(folder)
    seen = views_of(run, gold.of_pools(run.recipe.data, run.classes))
    return {
        code: _rows(run, code, first, last)
        for code, first, last in _ends(run, seen, report["handed_out"]["stages"])
    }


def _rows(run: RunFiles, code: str, first: PoolView, last: PoolView) -> list[ChangedRow]:
    changed = (first.label != last.label).nonzero().flatten()
    order = changed[last.confidence[changed].argsort(descending=True, stable=True)]
    rows = _texts(run.recipe.data, code, last.ids.take(pa.array(order.numpy())))

    def named(labels: Tensor) -> list[str]:
        return [run.classes[label] for label in labels[order].tolist()]

    nothing: list[str | None] = [None] * len(rows)
    columns: list[Sequence[Any]] = [
        rows.languages,
        rows.ids,
        rows.texts,
        rows.pairs or nothing,
        named(first.label),
        first.confidence[order].tolist(),
        named(last.label),
        last.confidence[order].tolist(),
        nothing if last.gold is None else named(last.gold),
    ]
    return [ChangedRow(*row) for row in zip(*columns, strict=True)]


def _texts(data: Data, code: str, ids: Ids) -> Rows:
    """The unlabelled rows of a language with these ids, as its file has them."""
    file, where = data.targets[code].unlabelled, f"data.targets.{code}.unlabelled"
    assert file is not None  # what was adapted to has rows
    read, _ = read_rows(file, code, where=where)
    found = gold.positions(ids, pa.array(read.ids, pa.large_string()), f"{where}: no row for")
    return read.take(found.tolist())


def table(rows: Mapping[str, Sequence[ChangedRow]]) -> pa.Table:
    """All changed rows, as the run folder keeps them."""
    every = [row for of_language in rows.values() for row in of_language]
    columns = zip(*every, strict=True) if every else [[] for _ in SCHEMA]
    return pa.table([list(column) for column in columns], schema=SCHEMA)
