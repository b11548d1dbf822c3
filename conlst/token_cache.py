"""Texts are tokenised once: their ids are kept as Arrow files, and read by memory map.

A file is named by what is in it, the SHA-256 of the tokenizer, the longest input and the texts, so
it is never out of date. It is written aside, flushed and renamed, so it is whole or not there; a
file that is not what its name says, and nothing in it can execute, is passed over and replaced.
"""

import contextlib
import hashlib
import json
import mmap
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from conlst.arrays import Rows, Tokens
from conlst.cache import folder
from conlst.errors import ConlstWarning
from conlst.tokens import joined, tokenise

LAYOUT = 1
"""Of the files; another number, and none of the old ones is read."""
KINDS = {"ids": (pa.int32(), torch.int32), "segments": (pa.int8(), torch.int8)}
AT_ONCE = 65536  # texts tokenised or hashed in one go: ids in Python lists are large


class TokenCache:
    """Turns texts into tokens, or finds them where an earlier run left them.

    Args:
        tokenizer: of the model. One without a description of itself (those not written in Rust)
            works too, and nothing is kept.
        max_length: longest input in tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self.tokenizer, self.max_length = tokenizer, max_length

    def __call__(self, rows: Rows) -> Tokens:
        """The tokens of all rows, in their order."""
        if self.fingerprint is None or len(rows) == 0:
            return self._tokenised(rows)
        key = _digest(f"{LAYOUT} {self.fingerprint} {self.max_length}", rows)
        path = folder() / "tokens" / f"{key}.arrow"
        if (found := _read(path, key, len(rows))) is not None:
            return found
        made = self._tokenised(rows)
        try:
            _write(path, key, made)
        except OSError as error:
            warnings.warn(
                f"tokens cannot be kept in {path.parent}: {error}; the next run makes them anew "
                "(CONLST_CACHE names another folder)",
                ConlstWarning,
                stacklevel=2,
            )
        return made

    @cached_property
    def fingerprint(self) -> str | None:
        """What ids depend on beside the text and its cut."""
        backend: Any = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            return None
        # Before "added_tokens" stands how the texts of the last call were cut and padded.
        said = backend.to_str()
        facts = [
            type(self.tokenizer).__name__,
            self.tokenizer.model_input_names,
            self.tokenizer.truncation_side,
            version("tokenizers"),
            version("transformers"),
            said.partition('"added_tokens"')[2] or said,
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _tokenised(self, rows: Rows) -> Tokens:
        if len(rows) <= AT_ONCE:
            return tokenise(rows, self.tokenizer, self.max_length)
        starts = range(0, len(rows), AT_ONCE)
        parts = (rows.take(range(at, min(at + AT_ONCE, len(rows)))) for at in starts)
        return joined([tokenise(part, self.tokenizer, self.max_length) for part in parts])


def _digest(facts: str, rows: Rows) -> str:
    digest = hashlib.sha256(facts.encode())
    for column in (rows.texts, rows.pairs):
        for some in _chunks(column) if column is not None else ():
            digest.update(json.dumps(some).encode())  # where a text ends matters
        digest.update(b"|")
    return digest.hexdigest()


def _chunks(column: Iterable[str]) -> Iterator[list[str]]:
    left = iter(column)
    while some := list(islice(left, AT_ONCE)):
        yield some


def _write(path: Path, key: str, tokens: Tokens) -> None:
    """One record batch: a list of ids a row, and beside it the segments, flat in memory."""
    lists = {"ids": tokens.ids} | ({} if tokens.segments is None else {"segments": tokens.segments})
    offsets = pa.array(tokens.offsets.numpy())
    columns = {
        name: pa.LargeListArray.from_arrays(offsets, pa.array(flat.numpy()))
        for name, flat in lists.items()
    }
    batch = pa.RecordBatch.from_pydict(columns).replace_schema_metadata({"conlst": key})
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".unfinished", delete=False) as file:
        try:
            with pa.ipc.new_file(file.name, batch.schema) as writer:
                writer.write_batch(batch)
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise


def _read(path: Path, key: str, rows: int) -> Tokens | None:
    """What a file holds, left on disk until it is looked at; None if it is not what it should be.

    The pages are mapped for this process alone, since torch takes no memory that is read-only;
    nothing writes to them.
    """
    try:
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        whole = pa.py_buffer(memory)
        with pa.ipc.open_file(whole) as reader:
            if (reader.schema.metadata or {}).get(b"conlst") != key.encode():
                return None
            batch = reader.get_batch(0)
        ids, offsets = _column(batch, "ids", memory, whole.address)
        segments = None
        if "segments" in batch.schema.names:
            segments, same = _column(batch, "segments", memory, whole.address)
            offsets = offsets if torch.equal(offsets, same) else offsets[:0]
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):
        return None
    whole_table = len(offsets) == rows + 1 and int(offsets[0]) == 0 and len(ids) == offsets[-1]
    if not whole_table or bool((offsets.diff() < 0).any()):
        return None
    return Tokens(ids, segments, offsets)


def _column(
    batch: pa.RecordBatch, name: str, memory: mmap.mmap, start: int
) -> tuple[Tensor, Tensor]:
    """(flat values, offsets) of a column of lists, as they lie in the file."""
    column: Any = batch.column(name)
    if column.type != pa.large_list(KINDS[name][0]) or column.null_count:
        raise TypeError(f"{name}: {column.type}")
    flat: Any = column.values
    values, offsets = flat.buffers()[1], column.buffers()[1]
    return (
        _mapped(memory, values.address - start, len(flat), KINDS[name][1]),
        _mapped(memory, offsets.address - start, len(column) + 1, torch.int64),
    )


def _mapped(memory: mmap.mmap, place: int, count: int, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(memory, dtype=dtype, count=count, offset=place)
