"""The run folder as the report reads it: JSON records and Parquet tables, nothing that executes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.report.recorded import Recorded, read_object, read_recipe

Ids: TypeAlias = "pa.Array[Any]"

EVERY = "all"
"""Stands in the place of a language where one record speaks of all of them."""


@dataclass(frozen=True, eq=False)
class LanguageRows:
    """Rows of one language in one table of the run folder."""

    ids: Ids
    columns: pa.Table
    where: str
    """The file, for messages."""

    def __len__(self) -> int:
        return len(self.ids)

    def tensor(self, name: str) -> Tensor:
        """A column of numbers or truth values, [N]."""
        values = self._column(name).to_numpy(zero_copy_only=False)
        return torch.from_numpy(np.array(values))

    def _column(self, name: str) -> "pa.Array[Any]":
        if name not in self.columns.column_names:
            raise BadInput(f"{self.where}: no column '{name}'")
        return self.columns[name].combine_chunks()

    def matrix(self, name: str, classes: int) -> Tensor:
        """A column of lists, one entry a class, [N, C]."""
        lists = self._column(name)
        flat = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
        if len(flat) != len(self) * classes:
            raise BadInput(f"{self.where}: '{name}' must hold {classes} values a row")
        return torch.from_numpy(np.array(flat)).view(len(self), classes)


@dataclass(frozen=True)
class StageFiles:
    """One stage of a run and the records it left: one for all languages, or one a language."""

    name: str
    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Whether one model speaks for all languages."""
        return EVERY in self.records

    def collapse(self, language: str) -> list[str]:
        """Why the model that speaks for a language counts as collapsed; empty: it does not."""
        record = self.records.get(EVERY) or self.records.get(language) or {}
        return [str(reason) for reason in record.get("collapse") or []]

    def rolled_back(self, language: str) -> list[str]:
        """Why the stopping criterion went back to the stage before; empty: it did not."""
        record = self.records.get(EVERY) or self.records.get(language) or {}
        if record.get("verdict") != "roll back":
            return []
        before, now = (record.get("criterion") or [None, None])[-2:]
        told = ["nothing" if value is None else f"{value:.4g}" for value in (before, now)]
        return [f"its stopping criterion went from {told[0]} to {told[1]}"]

    def last(self, language: str) -> bool:
        """Whether no stage was to follow: it collapsed, or the stopping criterion ended it."""
        record = self.records.get(EVERY) or self.records.get(language) or {}
        return bool(record.get("collapse")) or record.get("verdict", "go on") != "go on"


@dataclass(frozen=True)
class RunFiles:
    """A run folder, its JSON read."""

    path: Path
    recipe: Recorded
    raw: dict[str, Any]
    """The same, whole, as JSON."""
    data: dict[str, Any]
    environment: dict[str, Any]
    stages: list[StageFiles]
    finished: bool

    @property
    def classes(self) -> list[str]:
        return list(self.data["classes"])

    def tables(
        self, kind: str, stage: StageFiles, languages: Sequence[str], suffix: str = ""
    ) -> dict[str, LanguageRows]:
        """Rows of each language after a stage, from `predictions` or `pseudo_labels`.

        Args:
            kind: the folder
            stage: whose rows
            languages: those that must be there, as far as the stage has a model for them
            suffix: of the file's name, such as `-curve`; such files may be absent

        Raises:
            BadInput: a file or a language is missing.
        """
        out: dict[str, LanguageRows] = {}
        for folder, wanted in _places(stage, languages):
            file = self.path / kind / folder / f"{stage.name}{suffix}.parquet"
            out |= _split(file, wanted, optional=bool(suffix))
        return out


def open_run(path: Path) -> RunFiles:
    """Read the JSON of a run folder.

    Raises:
        BadInput: it is no run folder, no stage is finished, or a table is not what the run wrote.
    """
    recipe, raw = read_recipe(path)
    stages = [_stage(path, name, recipe) for name in recipe.stages()]
    done = [stage for stage in stages if stage.records]
    if not done or done[0].name != "source":
        raise BadInput(f"{path}: no stage is finished yet, so there is nothing to report")
    return RunFiles(
        path=path,
        recipe=recipe,
        raw=raw,
        data=read_object(path / "data.json"),
        environment=read_object(path / "environment.json"),
        stages=done,
        finished=all(_over(stages, code) for code in recipe.data.adapted() or [EVERY]),
    )


def _over(stages: Iterable[StageFiles], language: str) -> bool:
    """Whether nothing is left to do for a language: it may end before its last stage."""
    for stage in stages:
        if not (stage.shared or language in stage.records):
            return False
        if stage.last(language):
            return True
    return True


def _stage(path: Path, name: str, recipe: Recorded) -> StageFiles:
    if name == "source" or recipe.data.adapt == "joint":
        files = {EVERY: path / "checkpoints" / name / "record.json"}
    else:
        files = {
            code: path / "checkpoints" / code / name / "record.json"
            for code in recipe.data.adapted()
        }
    found = {key: read_object(file) for key, file in files.items() if file.is_file()}
    for record in found.values():
        written: dict[str, str] = record.get("files", {})
        tables = {file: sha for file, sha in written.items() if file.endswith(".parquet")}
        RunFolder(path).check(tables)
    return StageFiles(name, found)


def _places(stage: StageFiles, languages: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """(folder, languages in its file) of the tables of a stage."""
    if stage.shared:
        yield "", list(languages)
    else:
        yield from ((code, [code]) for code in languages if code in stage.records)


def _split(file: Path, languages: Sequence[str], *, optional: bool) -> dict[str, LanguageRows]:
    if not languages or (optional and not file.is_file()):
        return {}
    table = _table(file)
    out = {}
    for code in languages:
        part = table.filter(pc.equal(table["language"], pa.scalar(code)))
        if not len(part):
            raise BadInput(f"{file}: no row of the language '{code}'")
        ids = part["id"].cast(pa.large_string()).combine_chunks()
        out[code] = LanguageRows(ids, part, str(file))
    return out


def _table(file: Path) -> pa.Table:
    try:
        table = pq.read_table(file, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadInput(f"{file}: cannot be read: {error}") from None
    if missing := sorted({"id", "language"} - set(table.column_names)):
        raise BadInput(f"{file}: no column {missing[0]!r}; columns: {table.column_names}")
    return table
