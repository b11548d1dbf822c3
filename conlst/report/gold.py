"""Gold labels of the targets: read here, joined to rows by id here, and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from conlst.data import read_gold
from conlst.errors import BadInput
from conlst.recipe import Data, File
from conlst.report.files import Ids


@dataclass(frozen=True, eq=False)
class GoldTable:
    """Gold labels of one language, one row an id."""

    ids: Ids
    labels: Tensor
    """int64[G]"""
    groups: list[str] | None
    where: str
    """Its JSON path in the recipe, for messages."""
    notes: list[str] = field(default_factory=list)

    def join(self, ids: Ids) -> Tensor:
        """Gold labels of the rows with these ids, int64[N].

        Raises:
            BadInput: a row has no gold.
        """
        return self.labels[
            positions(ids, self.ids, f"{self.where}: no gold (no id, or no label) for")
        ]

    def find(self, ids: Ids) -> tuple[Tensor, Tensor]:
        """The rows that have gold, and where it stands here: int64[J] twice.

        Test rows come from the file their gold is in, so one without gold has an empty label there.

        Raises:
            BadInput: no row has gold.
        """
        at = _index(ids, self.ids)
        rows = (at >= 0).nonzero().flatten()
        if not len(rows):
            positions(ids, self.ids, f"{self.where}: no gold for")
        return rows, at[rows]


def positions(ids: Ids, among: Ids, where: str) -> Tensor:
    """Index of each id among others, int64[N].

    Raises:
        BadInput: ids are missing there; says how many, and some of them.

    Examples:
        >>> positions(pa.array(["b", "a"]), pa.array(["a", "b"]), "test.tsv: no gold for")
        tensor([1, 0])
    """
    at = _index(ids, among)
    missing = (at < 0).nonzero().flatten()
    if len(missing):
        examples = ", ".join(repr(ids[i].as_py()) for i in missing[:3].tolist())
        raise BadInput(f"{where} {len(missing)} of {len(ids)} row(s), such as {examples}")
    return at


def _index(ids: Ids, among: Ids) -> Tensor:
    """Index of each id among others, -1 where it is not."""
    index = pc.index_in(ids, value_set=among).fill_null(-1)
    return torch.from_numpy(np.array(index)).long()


def of_tests(data: Data, classes: Sequence[str]) -> dict[str, GoldTable]:
    """Gold of the test rows of each language that has some."""
    files = {code: target.test for code, target in data.targets.items()}
    return _read(files, classes, "test")


def of_pools(data: Data, classes: Sequence[str]) -> dict[str, GoldTable]:
    """Gold of the unlabelled rows of each language for which the recipe names it."""
    files = {code: target.pool_gold for code, target in data.targets.items()}
    return _read(files, classes, "pool_gold")


def check(
    data: Data,
    classes: Sequence[str],
    *,
    tests: Mapping[str, Sequence[str]] | None = None,
    pools: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Refuse gold that the report could not use, before hours are spent on training.

    It gives nothing back, so no label reaches its caller.

    Args:
        data: names the files
        classes: in order
        tests: ids of each language's test rows, where they are to be matched too
        pools: ids of each language's unlabelled rows, likewise

    Raises:
        BadInput: gold that cannot be read, or rows without gold.
    """
    for code, table in of_tests(data, classes).items():
        if tests is not None:
            table.find(pa.array(tests[code], pa.large_string()))
    for code, table in of_pools(data, classes).items():
        if pools is not None:
            table.join(pa.array(pools[code], pa.large_string()))


def _read(
    files: Mapping[str, File | None], classes: Sequence[str], slot: str
) -> dict[str, GoldTable]:
    out = {}
    for code, file in files.items():
        if file is not None:
            where = f"data.targets.{code}.{slot}"
            gold = read_gold(file, classes=classes, where=where)
            ids = pa.array(gold.ids, pa.large_string())
            out[code] = GoldTable(ids, gold.labels, gold.groups, where, gold.notes)
    return out
