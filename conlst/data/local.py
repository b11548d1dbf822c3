"""Local files: CSV, TSV, JSONL and Parquet, plain or gzipped, every column as text."""

import csv
import gzip
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from conlst.data.places import Column, Source, bytes_of, listed, refusing
from conlst.errors import BadInput

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",  # MultiNLI and XNLI name their TSV files so
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}


def open_file(path: Path, format: str | None, place: str) -> Source:
    """A local file, its format told by its name or by the recipe."""
    refuse_missing_file(path, place)
    format = format or SUFFIXES.get(Path(path.name.lower().removesuffix(".gz")).suffix)
    if format not in FORMATS:
        known = ", ".join(SUFFIXES)
        raise BadInput(
            f"{place}: its name does not tell the format; allowed: {known}, each also with .gz; "
            f"or set format to one of {', '.join(FORMATS)}"
        )
    source = FORMATS[format](path, place)
    if twice := sorted({name for name in source.names if source.names.count(name) > 1}):
        raise BadInput(f"{place}: the column name(s) {listed(twice)} stand twice in the header")
    if not any(source.names):
        raise BadInput(f"{place}: the file, or its first line, which names the columns, is empty")
    return source


def refuse_missing_file(path: Path, place: str) -> None:
    """Say which folder or file is not there, and what of a similar name is."""
    if path.is_file():
        return
    if path.is_dir():
        inside = sorted(other.name for other in path.iterdir() if other.is_file())[:5]
        held = ", ".join(inside) or "no file"
        raise BadInput(f"{place}: {str(path)!r} is a folder; allowed: a file; it holds {held}")
    if not path.parent.is_dir():
        raise BadInput(f"{place}: there is no folder {str(path.parent)!r}")
    beside = sorted(other.name for other in path.parent.iterdir() if other.is_file())
    near = ", ".join(get_close_matches(path.name, beside, n=3)) or "nothing of a similar name"
    raise BadInput(f"{place}: there is no file {str(path)!r}; in that folder: {near}")


def _csv(path: Path, place: str, *, quoted: bool) -> Source:
    with refusing(place, path), io.TextIOWrapper(bytes_of(path), "utf-8-sig", newline="") as stream:
        if quoted:
            names = next(csv.reader(stream), [])
        else:
            names = stream.readline().rstrip("\r\n").split("\t")
    return Source(place, names, partial(_read_csv, path, place, names, quoted))


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
    with refusing(place, path):
        try:
            with bytes_of(path) as stream:
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
    with bytes_of(path) as stream:
        if sum(chunk.count(b'"') for chunk in iter(partial(stream.read, 1 << 20), b"")) % 2 == 0:
            return
    with io.TextIOWrapper(bytes_of(path), "utf-8-sig", newline="") as text:
        reader, line = csv.reader(text, strict=True), 0
        try:
            for _ in reader:
                line = reader.line_num
        except csv.Error as error:
            message = f"the quotes in the row that starts in line {line + 1} do not match"
            raise BadInput(f"{place}: {message} ({error})") from None


def _jsonl(path: Path, place: str) -> Source:
    with refusing(place, path), bytes_of(path) as stream:
        seen = (row for _, row in _objects(stream, place, object_pairs_hook=_no_twins))
        # A key may be left out where it has no value, so that one object does not tell them all.
        names = list(dict.fromkeys(name for row in islice(seen, 1000) for name in row))
    return Source(place, names, partial(_read_jsonl, path, place))


def _read_jsonl(path: Path, place: str, columns: list[str]) -> pa.Table:
    # pyarrow's own reader would turn texts that look like dates into dates, and refuse a column
    # that holds 1 here and "1" there; Python's takes 3 s for a million rows.
    cells: dict[str, list[Any]] = {name: [] for name in columns}
    with refusing(place, path), bytes_of(path) as stream:
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
        raise ValueError(f"the name(s) {listed(twice)} stand twice in one object")
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


def _parquet(path: Path, place: str) -> Source:
    with refusing(place):
        with bytes_of(path) as stream:
            packed = isinstance(stream, gzip.GzipFile)
            source: Any = pa.BufferReader(stream.read()) if packed else os.fspath(path)
        file = pq.ParquetFile(source)

    def read(columns: list[str]) -> pa.Table:
        with refusing(place):
            return file.read(columns=columns)

    return Source(place, file.schema_arrow.names, read)


FORMATS: dict[str, Callable[[Path, str], Source]] = {
    "csv": partial(_csv, quoted=True),
    "tsv": partial(_csv, quoted=False),
    "jsonl": _jsonl,
    "parquet": _parquet,
}
