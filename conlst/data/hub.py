"""Data sets on the hub, by name."""

from typing import Any

import pyarrow as pa

from conlst.data.places import Column, Source, pc, refusing
from conlst.errors import BadInput
from conlst.hub import offline
from conlst.recipe import File


def hub_name(file: File) -> str:
    """How messages call a data set: name/config/split."""
    return "/".join(part for part in (file.hub, file.config, file.split) if part)


def load_dataset_of(file: File, place: str) -> Any:
    """The data set; what can go wrong on the way is the hub's to say, and ours to place."""
    try:
        import datasets  # not at the top: it is slow to import, and few runs need it

        return datasets.load_dataset(str(file.hub), file.config, split=file.split)
    except Exception as error:
        tried = f"load_dataset({file.hub!r}, {file.config!r}, split={file.split!r})"
        why = "HF_HUB_OFFLINE is set and it is not in the cache: " if offline() else ""
        what = f"{type(error).__name__}: {error}"
        raise BadInput(f"{place}: {tried} failed: {why}{what}") from error


def open_data_set(file: File, place: str) -> Source:
    """A data set on the hub (or in a local folder), its class numbers read as their names."""
    dataset = load_dataset_of(file, place)

    def read(columns: list[str]) -> pa.Table:
        table: pa.Table = dataset.select_columns(columns).with_format("arrow")[:]
        for position, name in enumerate(table.column_names):
            if class_names := getattr(dataset.features[name], "names", None):
                column = _named(table.column(name), class_names, f"{place}: column {name!r}")
                table = table.set_column(position, name, column)
        return table

    return Source(place, list(dataset.column_names), read)


def _named(column: Column, names: list[str], place: str) -> Column:
    """Numbers as the data set itself names them (as `ClassLabel.int2str`); -1 is no label."""
    known = pc.if_else(pc.less(column, 0), pa.scalar(None, column.type), column)
    with refusing(place):
        try:
            return pc.take(pa.chunked_array([pa.array(names, pa.large_string())]), known)
        except IndexError as error:
            raise BadInput(f"{place}: a number beyond its {len(names)} names: {error}") from None
