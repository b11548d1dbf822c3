"""Rows from the hub and from CSV, TSV, JSONL and Parquet files, as text.

Rows are counted from 0, without the header and before any row is dropped, so that the count can
serve as an id: row i of parallel files is then the same item in every language.
What a file is read as (columns guessed, rows dropped) is told in notes, never only assumed.
"""

import csv
import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import torch
from torch import Tensor

from conlst.arrays import Rows
from conlst.errors import BadInput, allowed
from conlst.recipe import Columns, File

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",  # MultiNLI and XNLI name their TSV files so
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
COUPLES = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
)
WELL_KNOWN = {
    "text": "text sentence premise sentence1 question1 content utterance utt review review_body "
    "review_text tweet comment document message body question query title",
    "pair": "hypothesis sentence2 text_pair question2 text2 text_b",
    "label": "gold_label label category class target intent labels topic sentiment",
    "id": "id index idx uid pairid guid index_id sentence_id example_id _id",
    "group": "genre domain",
}
Column: TypeAlias = Any  # of pyarrow, whose type stubs refuse much that it accepts
pc: Any = pyarrow.compute
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
    columns, notes = _columns(source, file.columns, ("id", "text", "pair"), needed=("text",))
    if columns.label:
        notes.append(f"{source.place}: column {columns.label!r} holds labels; they are not read")
    table = _with_text(_table(source, columns, ("id", "text", "pair")), source.place, notes)
    _refuse_missing_ids(table, source.place)
    _refuse_twins(table, source.place)
    return _rows(table, language), notes


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
    columns, notes = _columns(source, file.columns, roles, needed=("text", "label"))
    table = _with_text(_table(source, columns, roles), source.place, notes)
    table, names, codes = _with_label(table, file, classes, source.place, notes)
    _refuse_missing_ids(table, source.place)
    if len(names) < 2:
        raise BadInput(f"{source.place}: two or more classes are needed; found {_listed(names)}")
    present = set(np.unique(codes).tolist())
    empty = [name for code, name in enumerate(names) if code not in present]
    if every_class and empty:
        raise BadInput(f"{source.place}: empty class: no row is labelled {_listed(empty)}")
    return Labelled(_rows(table, language), torch.from_numpy(codes), names, notes)


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
    columns, notes = _columns(source, file.columns, roles, needed=("label",))
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


def guess_columns(
    header: Sequence[str], given: Columns, *, where: str, needed: Sequence[str] = ("text",)
) -> Columns:
    """Fill in the columns that were not given from well-known names.

    Args:
        header: the columns there are.
        given: what the recipe names; it is checked, and kept.
        where: the place to name in messages.
        needed: the roles that some column must fill.

    Raises:
        BadInput: a given column is not there, or nothing fits a needed role.

    Examples:
        >>> found = guess_columns(["Premise", "Hypothesis", "gold_label"], Columns(), where="train")
        >>> found.text, found.pair, found.label
        ('Premise', 'Hypothesis', 'gold_label')
    """
    shown = [name if len(name) <= 40 else f"{name[:37]}..." for name in header]
    found: dict[str, str] = given.model_dump(exclude_none=True)
    for role, name in found.items():
        if name not in header:
            raise BadInput(f"{where}: columns.{role}: no column {name!r}; {allowed(name, shown)}")
    taken = {name for role, name in found.items() if role not in ("text", "pair")}
    # A name written exactly so comes before one that differs in its case.
    by_name = {c.strip().lower(): c for c in header} | {c: c for c in header if c.islower()}
    free = {key: column for key, column in by_name.items() if column not in taken}
    couple = next((c for c in COUPLES if _fits(c, free, given)), None)
    if couple is not None:
        found |= {"text": free[couple[0]], "pair": free[couple[1]]}
    for role, names in WELL_KNOWN.items():
        # Who names the text alone may well want a single text: no stray pair is added to it.
        if role in found or (role == "pair" and given.text):
            continue
        for name in names.split():
            if name in free and free[name] not in found.values():
                found[role] = free[name]
                break
    for role in needed:
        if role not in found:
            raise BadInput(
                f"{where}: no column is known to hold the {role}; columns: {', '.join(shown)}; "
                f"name it in columns.{role} (the first row must name the columns)"
            )
    return Columns(**found)


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
    return _local(Path(path), format, str(path)).names


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
        return f"{_hub_name(file)}/{_loaded(file, _hub_name(file))._fingerprint}"
    path = Path(file.path)
    _refuse_missing_file(path, str(path))
    with _refusing(str(path)), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# What a place holds, whatever its format


@dataclass(frozen=True)
class _Source:
    """A place to read from: its columns, and how to read some of them.

    `read` skips no row, so that a row's position is its number.
    """

    place: str
    names: list[str]
    read: Callable[[list[str]], pa.Table]


def _opened(file: File, where: str) -> _Source:
    if file.path is None:
        return _hub(file, f"{where}: {_hub_name(file)}")
    return _local(Path(file.path), file.format, f"{where}: {Path(file.path).name}")


def _columns(
    source: _Source, given: Columns, roles: Sequence[str], *, needed: Sequence[str]
) -> tuple[Columns, list[str]]:
    """The columns to read, and a note on them if any of them was guessed."""
    columns = guess_columns(source.names, given, where=source.place, needed=needed)
    asked, found = given.model_dump(), columns.model_dump()
    if all(asked[role] == found[role] for role in roles):
        return columns, []
    couple = "text" in roles and columns.pair is not None
    told = [f"{columns.text} + {columns.pair} as the text pair"] if couple else []
    for role in ("text", "label", "id", "group"):
        if role in roles and found[role] and not (couple and role == "text"):
            told.append(f"{found[role]} as the {role}")
    return columns, [f"{source.place}: read {', '.join(told)}"]


def _fits(couple: tuple[str, str], free: dict[str, str], given: Columns) -> bool:
    first, second = (free.get(name) for name in couple)
    fits_given = given.text in (None, first) and given.pair in (None, second)
    return bool(first and second and fits_given)


def _table(source: _Source, columns: Columns, roles: Sequence[str]) -> pa.Table:
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
    with _refusing(place):
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


def _rows(table: pa.Table, language: str) -> Rows:
    pairs = _list(table["pair"]) if "pair" in table.column_names else None
    return Rows(_list(table["id"]), _list(table["text"]), pairs, [language] * len(table))


def _list(column: Column) -> list[str]:
    """As Python strings, some ten times faster than `to_pylist`."""
    return cast(list[str], column.to_numpy().tolist())


def _numbers(rows: Column) -> str:
    shown = ", ".join(map(str, rows[:5].to_pylist()))
    return f"row(s) {shown}{', ...' if len(rows) > 5 else ''} (counted from 0)"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


# Local files


def _local(path: Path, format: str | None, place: str) -> _Source:
    _refuse_missing_file(path, place)
    format = format or SUFFIXES.get(Path(path.name.lower().removesuffix(".gz")).suffix)
    if format not in FORMATS:
        known = ", ".join(SUFFIXES)
        raise BadInput(
            f"{place}: its name does not tell the format; allowed: {known}, each also with .gz; "
            f"or set format to one of {', '.join(FORMATS)}"
        )
    source = FORMATS[format](path, place)
    if twice := sorted({name for name in source.names if source.names.count(name) > 1}):
        raise BadInput(f"{place}: the column name(s) {_listed(twice)} stand twice in the header")
    if not any(source.names):
        raise BadInput(f"{place}: the file, or its first line, which names the columns, is empty")
    return source


def _refuse_missing_file(path: Path, place: str) -> None:
    if path.is_file():
        return
    if not path.parent.is_dir():
        raise BadInput(f"{place}: there is no folder {str(path.parent)!r}")
    beside = sorted(other.name for other in path.parent.iterdir() if other.is_file())
    near = ", ".join(get_close_matches(path.name, beside, n=3)) or "nothing of a similar name"
    raise BadInput(f"{place}: there is no file {str(path)!r}; in that folder: {near}")


@contextmanager
def _refusing(place: str, text_file: Path | None = None) -> Iterator[None]:
    """Say where, when a reader gives up."""
    try:
        yield
    except BadInput:
        raise
    except (ValueError, OSError, EOFError, zlib.error, pa.ArrowException, RecursionError) as error:
        if text_file and (isinstance(error, UnicodeError) or "UTF8" in str(error)):
            raise BadInput(f"{place}: not UTF-8 text: {_undecodable(text_file)}") from None
        raise BadInput(f"{place}: cannot be read: {str(error)[:300]}") from None


def _undecodable(path: Path) -> str:
    with _bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number}: byte 0x{line[error.start]:02x} ({error.reason})"
    return "a character that is half of a pair"  # an escape such as \ud83d on its own in JSON


def _bytes(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked if it is packed, whatever its name says."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _csv(path: Path, place: str, *, quoted: bool) -> _Source:
    with _refusing(place, path), io.TextIOWrapper(_bytes(path), "utf-8-sig", newline="") as stream:
        if quoted:
            names = next(csv.reader(stream), [])
        else:
            names = stream.readline().rstrip("\r\n").split("\t")
    return _Source(place, names, partial(_read_csv, path, place, names, quoted))


def _read_csv(
    path: Path, place: str, names: list[str], quoted: bool, columns: list[str]
) -> pa.Table:
    ragged: list[Any] = []

    def note(row: Any) -> Literal["skip"]:
        ragged.append(row)
        return "skip"

    parse = pa_csv.ParseOptions(
        delimiter="," if quoted else "\t",
        quote_char='"' if quoted else False,  # in a TSV, a quote is a character like any other
        newlines_in_values=quoted,
        ignore_empty_lines=False,  # an empty line is a row without text, and counts
        invalid_row_handler=note,
    )
    # Threads would lose the number of a ragged row; a block must hold the longest row.
    read = pa_csv.ReadOptions(use_threads=False, block_size=1 << 24)
    types = dict.fromkeys(columns, pa.large_string())
    convert = pa_csv.ConvertOptions(column_types=types, include_columns=columns)
    with _refusing(place, path):
        try:
            with _bytes(path) as stream:
                table = pa_csv.read_csv(stream, read, parse, convert)
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise
            return pa.table({name: pa.array([], pa.large_string()) for name in columns})
        if quoted:
            _refuse_open_quote(path, place)
    if ragged:
        row = ragged[0]
        raise BadInput(
            f"{place}: row {row.number - 2} (counted from 0) has {row.actual_columns} field(s), "
            f"the header has {len(names)}; {len(ragged)} such row(s); it reads: {row.text[:80]!r}"
        )
    return table


def _refuse_open_quote(path: Path, place: str) -> None:
    """A quote that is never closed would swallow all rows below it without an error."""
    with _bytes(path) as stream:
        if sum(chunk.count(b'"') for chunk in iter(partial(stream.read, 1 << 20), b"")) % 2 == 0:
            return
    with io.TextIOWrapper(_bytes(path), "utf-8-sig", newline="") as text:
        reader, line = csv.reader(text, strict=True), 0
        try:
            for _ in reader:
                line = reader.line_num
        except csv.Error as error:
            message = f"the quotes in the row that starts in line {line + 1} do not match"
            raise BadInput(f"{place}: {message} ({error})") from None


def _jsonl(path: Path, place: str) -> _Source:
    with _refusing(place, path), _bytes(path) as stream:
        seen = (row for _, row in _objects(stream, place, object_pairs_hook=_no_twins))
        # A key may be left out where it has no value, so that one object does not tell them all.
        names = list(dict.fromkeys(name for row in islice(seen, 1000) for name in row))
    return _Source(place, names, partial(_read_jsonl, path, place))


def _read_jsonl(path: Path, place: str, columns: list[str]) -> pa.Table:
    # pyarrow's own reader would turn texts that look like dates into dates, and refuse a column
    # that holds 1 here and "1" there; Python's takes 3 s for a million rows.
    cells: dict[str, list[Any]] = {name: [] for name in columns}
    with _refusing(place, path), _bytes(path) as stream:
        pairs = list(cells.items())
        for _, row in _objects(stream, place):
            for name, column in pairs:
                column.append(row.get(name))
        return pa.table({name: _plain(column, place, name) for name, column in pairs})


def _objects(stream: Any, place: str, **how: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their numbers: one a line, or all in one array."""
    start = cast(bytes, stream.peek(64)).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"["):
        lines: Iterable[Any] = json.loads(stream.read(), **how)
    else:
        lines = (_parsed(number, line, place, how) for number, line in enumerate(stream))
    for number, row in enumerate(lines):
        if not isinstance(row, dict):
            kind = type(row).__name__
            raise BadInput(f"{place}: row {number} (counted from 0): {kind}, not a JSON object")
        yield number, row


def _parsed(number: int, line: bytes, place: str, how: dict[str, Any]) -> Any:
    if line.isspace():
        return {}  # it counts as a row, as in the other formats
    try:
        return json.loads(line.decode("utf-8-sig" if number == 0 else "utf-8"), **how)
    except json.JSONDecodeError as error:
        raise BadInput(f"{place}: line {number + 1}: not JSON: {error}") from None


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"the name(s) {_listed(twice)} stand twice in one object")
    return row


def _plain(cells: list[Any], place: str, name: str) -> Column:
    try:
        return pa.array(cells, pa.large_string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # numbers among them
        texts = [_cell(value, f"{place}: row {n}: {name!r}") for n, value in enumerate(cells)]
        return pa.array(texts, pa.large_string())


def _cell(value: Any, place: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    kind = type(value).__name__
    raise BadInput(f"{place} must be one text or number (rows count from 0); found {kind}")


def _parquet(path: Path, place: str) -> _Source:
    with _refusing(place):
        with _bytes(path) as stream:
            packed = isinstance(stream, gzip.GzipFile)
            source: Any = pa.BufferReader(stream.read()) if packed else os.fspath(path)
        file = pq.ParquetFile(source)

    def read(columns: list[str]) -> pa.Table:
        with _refusing(place):
            return file.read(columns=columns)

    return _Source(place, file.schema_arrow.names, read)


FORMATS: dict[str, Callable[[Path, str], _Source]] = {
    "csv": partial(_csv, quoted=True),
    "tsv": partial(_csv, quoted=False),
    "jsonl": _jsonl,
    "parquet": _parquet,
}


# The hub


def _hub_name(file: File) -> str:
    return "/".join(part for part in (file.hub, file.config, file.split) if part)


def _loaded(file: File, place: str) -> Any:
    """The data set; what can go wrong on the way is the hub's to say, and ours to place."""
    try:
        import datasets  # not at the top: it is slow to import, and few runs need it

        return datasets.load_dataset(str(file.hub), file.config, split=file.split)
    except Exception as error:
        tried = f"load_dataset({file.hub!r}, {file.config!r}, split={file.split!r})"
        raise BadInput(f"{place}: {tried} failed: {type(error).__name__}: {error}") from error


def _hub(file: File, place: str) -> _Source:
    dataset = _loaded(file, place)

    def read(columns: list[str]) -> pa.Table:
        table: pa.Table = dataset.select_columns(columns).with_format("arrow")[:]
        for position, name in enumerate(table.column_names):
            if class_names := getattr(dataset.features[name], "names", None):
                column = _named(table.column(name), class_names, f"{place}: column {name!r}")
                table = table.set_column(position, name, column)
        return table

    return _Source(place, list(dataset.column_names), read)


def _named(column: Column, names: list[str], place: str) -> Column:
    """Numbers as the data set itself names them (as `ClassLabel.int2str`); -1 is no label."""
    known = pc.if_else(pc.less(column, 0), pa.scalar(None, column.type), column)
    with _refusing(place):
        try:
            return pc.take(pa.chunked_array([pa.array(names, pa.large_string())]), known)
        except IndexError as error:
            raise BadInput(f"{place}: a number beyond its {len(names)} names: {error}") from None
