"""The word lists that texts are changed by: words alike, and translations word by word.

They are read once a file; a file that has changed since is read again.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from conlst.augment.words import key
from conlst.errors import BadInput

Dictionary: TypeAlias = Mapping[str, tuple[str, ...]]
"""A word, as `words.key` gives it -> what may stand in its place, each once."""

KEPT = 128
"""Dictionaries that are kept in memory."""

HEADER = ("word", "translation")
"""What a first line that names the columns says, unless it says the two languages."""

OF_SYNONYMS = 'allowed: {"word": ["one like it", ...], ...}'
OF_TRANSLATIONS = "allowed: word, tab, translation"


def synonyms(path: str) -> Dictionary:
    """Read a JSON file, plain or gzipped: `{"word": ["one like it", ...], ...}`.

    Raises:
        BadInput: there is no such file, or it holds something else; the message says what.
    """
    return _synonyms(path, _stamp(path))


def translations(path: str, source: str, target: str, *, backwards: bool = False) -> Dictionary:
    """Read a TSV file, plain or gzipped: word, tab, translation; a word may have several lines.

    Further columns are passed over, and so is a first line that names the columns: "word" and
    "translation", or the two languages.

    Args:
        path: the file.
        source: the language of its first column.
        target: the language of its second column.
        backwards: from the second column to the first.

    Raises:
        BadInput: there is no such file, or a line is something else; the message says which.
    """
    return _translations(path, (source, target), backwards, _stamp(path))


def _stamp(path: str) -> tuple[int, int]:
    """What changes when the file does."""
    if not os.path.isfile(path):
        raise BadInput(_missing(Path(path)))
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size


def _missing(path: Path) -> str:
    if not os.path.isdir(path.parent):
        return f"there is no folder {str(path.parent)!r}"
    near = get_close_matches(path.name, sorted(os.listdir(path.parent)), n=3)
    beside = ", ".join(near) or "nothing of a similar name"
    return f"there is no file {str(path)!r}; in that folder: {beside}"


@lru_cache(KEPT)
def _synonyms(path: str, stamp: tuple[int, int]) -> Dictionary:
    try:
        content = json.loads(_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON: {error}; {OF_SYNONYMS}") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: found {_shown(content)}; {OF_SYNONYMS}")
    for word, near in content.items():
        if not (isinstance(near, list) and all(isinstance(other, str) for other in near)):
            raise BadInput(f"{path}: at {word!r}: found {_shown(near)}; {OF_SYNONYMS}")
    pairs = ((word, other) for word, near in content.items() for other in near)
    return _collected(path, (pair for pair in pairs if key(pair[0]) != key(pair[1])), OF_SYNONYMS)


@lru_cache(KEPT)
def _translations(
    path: str, languages: tuple[str, str], backwards: bool, stamp: tuple[int, int]
) -> Dictionary:
    pairs = _pairs(path, languages)
    ordered = (pair[::-1] for pair in pairs) if backwards else pairs
    return _collected(path, ordered, OF_TRANSLATIONS)


def _pairs(path: str, languages: tuple[str, str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        word, _, rest = line.partition("\t")
        word, translation = word.strip(), rest.partition("\t")[0].strip()
        if not (word and translation):
            raise BadInput(f"{path}: line {number}: found {_shown(line)}; {OF_TRANSLATIONS}")
        if number > 1 or (word, translation) not in (languages, HEADER):
            yield word, translation


def _collected(path: str, pairs: Iterable[tuple[str, str]], wanted: str) -> Dictionary:
    found: dict[str, dict[str, None]] = {}
    for word, other in pairs:
        found.setdefault(key(word), {})[other] = None
    if not found:
        raise BadInput(f"{path}: found no word with another; {wanted}")
    return {word: tuple(others) for word, others in found.items()}


def _text(path: str) -> str:
    """What stands in a file, unpacked if it is packed, whatever its name says."""
    try:
        content = Path(path).read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{error.object[error.start]:02x} ({error.reason})"
        raise BadInput(f"{path}: line {line}: not UTF-8 text: {byte}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
