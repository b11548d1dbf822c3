"""Rows from the hub and from CSV, TSV, JSONL and Parquet files, as text.

Rows are counted from 0, without the header and before any row is dropped, so that the count can
serve as an id: row i of parallel files is then the same item in every language.
What a file is read as (columns guessed, rows dropped) is told in notes, never only assumed.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from conlst.arrays import Rows
from conlst.data.columns import settled
from conlst.data.hub import hub_name, load_dataset_of, open_data_set
from conlst.data.local import open_file, refuse_missing_file
from conlst.data.places import Column, Source, listed, pc, refusing
from conlst.errors import BadInput, allowed
from conlst.recipe import Columns, File

NO_LABEL = ("", "-", "-1")
"""How SNLI, XNLI and the hub mark a row without a label."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows with labels, to train on or to watch training with."""

    rows: Rows
    label: Tensor
    """int64[N]: index into `classes`."""
    classes: tuple[str, ...]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Gold:
    """Labels to score against. Only the report may hold one."""

    ids: list[str]
    labels: Tensor
    """int64[N]: index into the classes."""
    groups: list[str] | None
    notes: list[str] = field(default_factory=list)


def read_rows(file: File, language: str, *, where: str) -> tuple[Rows, list[str]]:
    r"""Read texts only; labels that stand beside them are not read.

    Args:
        file: where the rows are.
        language: the code of the language that they are in.
        where: the JSON path of `file` in the recipe, for messages.

    Returns:
        The rows that carry text, and notes on how the file was read.

    Raises:
        BadInput: the file is not there or cannot be read, a column is not there, an id stands
            twice, or no row carries text.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "sw.tsv")
        >>> _ = path.write_text("id\ttext\n7\tNaye akasema\n", encoding="utf-8")
        >>> rows, notes = read_rows(File(path=str(path)), "sw", where="data.targets.sw.unlabelled")
        >>> rows.ids, rows.texts, rows.languages
        (['7'], ['Naye akasema'], ['sw'])
    """
    source = _opened(file, where)
    columns, notes = settled(source, file.columns, ("id", "text", "pair"), needed=("text",))
    if columns.label:
        notes.append(f"{source.place}: column {columns.label!r} holds labels; they are not read")
    table = _with_text(_table(source, columns, ("id", "text", "pair")), source.place, notes)
    _refuse_missing_ids(table, source.place)
    _refuse_twins(table, source.place)
    return _rows(table, language, columns), notes


def read_labelled(
    file: File,
    language: str,
    *,
    classes: Sequence[str] | None,
    where: str,
    every_class: bool = True,
) -> Labelled:
    r"""Read texts with their labels.

    Args:
        file: where the rows are.
        language: the code of the language that they are in.
        classes: their names in order; None reads them off the file, sorted.
        where: the JSON path of `file` in the recipe, for messages.
        every_class: whether each class must have a row, as it must to be learnt.

    Raises:
        BadInput: as `read_rows`, but ids may repeat; or a label is none of the classes, no row
            has a label, a class has no row, or there are fewer than two classes.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "train.csv")
        >>> _ = path.write_text("text,label\nwon,sports\nvoted,politics\nlost,sports\n")
        >>> train = read_labelled(File(path=str(path)), "en", classes=None, where="train")
        >>> train.classes, train.label.tolist()
        (('politics', 'sports'), [1, 0, 1])
    """
    source = _opened(file, where)
    roles = ("id", "text", "pair", "label")
    columns, notes = settled(source, file.columns, roles, needed=("text", "label"))
    table = _with_text(_table(source, columns, roles), source.place, notes)
    table, names, codes = _with_label(table, file, classes, source.place, notes)
    _refuse_missing_ids(table, source.place)
    if len(names) < 2:
        raise BadInput(f"{source.place}: two or more classes are needed; found {listed(names)}")
    present = set(np.unique(codes).tolist())
    empty = [name for code, name in enumerate(names) if code not in present]
    if every_class and empty:
        raise BadInput(f"{source.place}: empty class: no row is labelled {listed(empty)}")
    return Labelled(_rows(table, language, columns), torch.from_numpy(codes), names, notes)


def read_gold(file: File, *, classes: Sequence[str], where: str) -> Gold:
    r"""Read the labels to score against, by id. Texts are not read.

    Args:
        file: where the rows are.
        classes: the names of the classes, in order.
        where: the JSON path of `file` in the recipe, for messages.

    Raises:
        BadInput: there are no labels (XTREME's test files come without: none is ever assumed),
            a label is none of the classes, or an id stands twice.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "test.jsonl")
        >>> _ = path.write_text('{"id": 4, "label": "b"}\n{"id": 6, "label": "a"}\n')
        >>> gold = read_gold(File(path=str(path)), classes=["a", "b"], where="test")
        >>> gold.ids, gold.labels.tolist(), gold.groups
        (['4', '6'], [1, 0], None)
    """
    source = _opened(file, where)
    roles = ("id", "label", "group")
    columns, notes = settled(source, file.columns, roles, needed=("label",))
    table = _table(source, columns, roles)
    table, names, codes = _with_label(table, file, classes, source.place, notes)
    _refuse_missing_ids(table, source.place)
    _refuse_twins(table, source.place)
    if len(np.unique(codes)) == 1 and len(codes) > 1:
        notes.append(f"{source.place}: every row is labelled {names[codes[0]]!r}; are these gold?")
    groups: Column = table["group"] if columns.group else None
    labels = torch.from_numpy(codes)
    named = None if groups is None else _list(groups.fill_null(""))
    return Gold(_list(table["id"]), labels, named, notes)


def header(path: str | Path, format: str | None = None) -> list[str]:
    r"""The column names of a local file.

    Raises:
        BadInput: the file cannot be read, is empty, or names a column twice.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "train.csv")
        >>> _ = path.write_text("text,label\n")
        >>> header(path)
        ['text', 'label']
    """
    return open_file(Path(path), format, str(path)).names


def content_hash(file: File) -> str:
    r"""What identifies the rows: SHA-256 of a file, or name and fingerprint on the hub.

    Raises:
        BadInput: the file, or the data set, is not there.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "train.csv")
        >>> _ = path.write_text("text,label\n")
        >>> content_hash(File(path=str(path)))[:12]
        '3d1efb1f982c'
    """
    if file.path is None:
        return f"{hub_name(file)}/{load_dataset_of(file, hub_name(file))._fingerprint}"
    path = Path(file.path)
    refuse_missing_file(path, str(path))
    with refusing(str(path)), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _opened(file: File, where: str) -> Source:
    if file.path is None:
        return open_data_set(file, f"{where}: {hub_name(file)}")
    return open_file(Path(file.path), file.format, f"{where}: {Path(file.path).name}")


def _table(source: Source, columns: Columns, roles: Sequence[str]) -> pa.Table:
    """The columns by the roles they play, all strings, and `row`, the number of each row."""
    chosen = {role: name for role in roles if (name := getattr(columns, role)) is not None}
    data = source.read(list(dict.fromkeys(chosen.values())))
    if not len(data):
        raise BadInput(f"{source.place}: no rows (there is nothing below the header)")
    out: dict[str, Any] = {"row": pa.array(np.arange(len(data)))}
    for role, name in chosen.items():
        out[role] = _strings(data.column(name), f"{source.place}: column {name!r}")
    out.setdefault("id", out["row"].cast(pa.large_string()))
    return pa.table(out)


def _strings(column: Column, place: str) -> Column:
    """Any plain column as strings: 1.0 is "1", and what is not a number is nothing."""
    kind = column.type
    if pa.types.is_nested(kind):
        raise BadInput(f"{place}: each row must hold one text or number; found {kind}")
    with refusing(place):
        if pa.types.is_floating(kind):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
            if pc.all(pc.equal(pc.round(column), column)).as_py() in (True, None):
                column = column.cast(pa.int64())
        strings = column.cast(pa.large_string())
        strings.validate(full=True)  # Parquet writers do not all check their UTF-8
    return strings


def _with_text(table: pa.Table, place: str, notes: list[str]) -> pa.Table:
    """The rows whose texts are there, both of them in a pair."""
    keep = _filled(table["text"])
    if "pair" in table.column_names:
        keep = pc.and_(keep, _filled(table["pair"]))
    kept = _kept(table, keep, "text", place, notes)
    if not len(kept):
        raise BadInput(f"{place}: no row carries text")
    return kept


def _filled(texts: Column) -> Column:
    return pc.not_equal(pc.utf8_trim_whitespace(texts.fill_null("")), "")


def _kept(table: pa.Table, keep: Any, what: str, place: str, notes: list[str]) -> pa.Table:
    """The rows where `keep` holds; a note tells of the others."""
    gone = table["row"].filter(pc.invert(keep))
    if len(gone):
        notes.append(f"{place}: {len(gone)} row(s) without {what} dropped: {_numbers(gone)}")
    return table.filter(keep)


def _with_label(
    table: pa.Table, file: File, classes: Sequence[str] | None, place: str, notes: list[str]
) -> tuple[pa.Table, tuple[str, ...], "np.ndarray[Any, np.dtype[np.int64]]"]:
    """The rows that have a label, the classes, and the label of each as an index into them."""
    column: Column = table["label"].combine_chunks()
    encoded = column.fill_null("").dictionary_encode()
    # Labels repeat, so Python looks at each different one only once.
    found = encoded.dictionary.to_pylist()
    labels = [_label(value, file.label_names, classes or ()) for value in found]
    present = {label for label in labels if label is not None}
    if not present:
        raise BadInput(
            f"{place}: no row has a label (empty, '-' and -1 mean none); labels are never assumed"
        )
    if classes is None:
        firsts = np.unique(encoded.indices.to_numpy(), return_index=True)[1]
        rows = cast(Column, table["row"]).take(pa.array(firsts)).to_pylist()
        seen = {label: row for label, row in zip(labels, rows, strict=True) if label is not None}
        _refuse_numbers_among_names(seen, place)
    names = tuple(classes) if classes is not None else _sorted(present)
    _refuse_numbers_for_names(present, names, place)
    number_of = {name: code for code, name in enumerate(names)}
    codes = [-1 if label is None else number_of.get(label, -2) for label in labels]
    coded = np.array(codes, np.int64)[encoded.indices.to_numpy()]
    if (strange := np.flatnonzero(coded == -2)).size:
        first = int(strange[0])
        label = labels[encoded.indices[first].as_py()]
        raise BadInput(
            f"{place}: row {table['row'][first]} (counted from 0): label {label!r} is none of the "
            f"classes; {allowed(label, names)}; label_names can rename it"
        )
    hint = " (to make '-1' a class, name it in data.classes)" if "-1" in found else ""
    table = _kept(table, pa.array(coded >= 0), f"a label{hint}", place, notes)
    return table, names, coded[coded >= 0]


def _label(found: str, renamed: dict[str, str], classes: Sequence[str]) -> str | None:
    """A label as the classes call it; None where the row has none."""
    label = found.strip()
    if label in renamed:
        return renamed[label]
    if label in classes:
        return label
    whole, point, rest = label.partition(".")
    if point and rest.strip("0") == "" and _is_integer(whole):  # pandas writes 1 as 1.0
        return _label(whole, renamed, classes)
    return None if label in NO_LABEL else label


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _sorted(labels: Iterable[str]) -> tuple[str, ...]:
    labels = list(labels)
    if all(map(_is_integer, labels)):
        return tuple(sorted(labels, key=int))
    return tuple(sorted(labels))


def _refuse_numbers_among_names(labels: dict[str, int], place: str) -> None:
    """One class under two names, its number and its name, would become two classes."""
    numbers = [label for label in labels if _is_integer(label)]
    names = [label for label in labels if not _is_integer(label)]
    if numbers and names:
        found = [f"{each[0]!r} in row {labels[each[0]]}" for each in (numbers, names)]
        raise BadInput(
            f"{place}: some labels are numbers and some are names: found {' and '.join(found)} "
            "(counted from 0); say in label_names which number is which name, or list them in "
            "data.classes if each is a class of its own"
        )


def _refuse_numbers_for_names(present: set[str], classes: tuple[str, ...], place: str) -> None:
    """Data sets differ in which class is 0, so a number never stands for a name on its own."""
    if not all(map(_is_integer, present)) or any(map(_is_integer, classes)):
        return
    example = json.dumps({str(n): "..." for n in sorted(map(int, present))[: len(classes)]})
    raise BadInput(
        f"{place}: the labels are the numbers {', '.join(_sorted(present)[:20])}, the classes have "
        f"names, and which is which is never assumed: set label_names to {example}; "
        f"allowed: {', '.join(classes)}"
    )


def _refuse_missing_ids(table: pa.Table, place: str) -> None:
    missing = table["row"].filter(pc.invert(_filled(table["id"])))
    if len(missing):
        raise BadInput(f"{place}: {len(missing)} row(s) without an id: {_numbers(missing)}")


def _refuse_twins(table: pa.Table, place: str) -> None:
    counts: Column = table["id"].value_counts()
    twins = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(twins):
        twin = twins[0]["values"].as_py()
        rows = table["row"].filter(pc.equal(table["id"], twin))
        raise BadInput(
            f"{place}: {len(twins)} id(s) stand more than once, such as {twin!r} in "
            f"{_numbers(rows)}; ids must be unique (does the file hold several languages?)"
        )


def _rows(table: pa.Table, language: str, columns: Columns) -> Rows:
    pairs = _list(table["pair"]) if "pair" in table.column_names else None
    ids, texts = _list(table["id"]), _list(table["text"])
    return Rows(ids, texts, pairs, [language] * len(table), numbered=columns.id is None)


def _list(column: Column) -> list[str]:
    """As Python strings, some ten times faster than `to_pylist`."""
    return cast(list[str], column.to_numpy().tolist())


def _numbers(rows: Column) -> str:
    shown = ", ".join(map(str, rows[:5].to_pylist()))
    return f"row(s) {shown}{', ...' if len(rows) > 5 else ''} (counted from 0)"
