"""What is slow to make and the same in every run is kept on disk: translations, by their key.

The folder is `$CONLST_CACHE`, else `conlst` in the user's cache folder; token ids lie there too
(see `token_cache`). Nothing in it is ever deleted here, and deleting it by hand costs time only.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from conlst.errors import BadInput

TABLE = "CREATE TABLE IF NOT EXISTS texts (key BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID"
WAIT = 60.0  # seconds for another process to end its transaction; one takes milliseconds
AT_ONCE = 500  # keys in one question; SQLite allows 999 in its oldest builds


def folder() -> Path:
    """Where caches lie; it need not exist yet."""
    if chosen := os.environ.get("CONLST_CACHE"):
        return Path(chosen)
    users = os.environ.get("XDG_CACHE_HOME")
    return (Path(users) if users else Path.home() / ".cache") / "conlst"


def key(*parts: str) -> bytes:
    """SHA-256 of several texts; where one ends and the next begins matters.

    Examples:
        >>> key("ab", "c") == key("a", "bc")
        False
    """
    return hashlib.sha256(json.dumps(parts).encode()).digest()


@dataclass(frozen=True)
class TextCache:
    """Texts by key in one SQLite file, shared by all runs of a user.

    A connection lives as long as one call, so an instance may be shared by threads and forks.
    What `put_many` is given is stored whole or, after a kill or a full disk, not at all. The
    journal is SQLite's ordinary one: a write-ahead log needs memory that all its users share, and
    home folders often lie on a network.

    Args:
        path: the file; it and its folder are made when something is first stored.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     cache = TextCache(Path(folder) / "translations.sqlite")
        ...     cache.put_many({key("fr", "en", "chat"): "cat"})
        ...     list(cache.get_many([key("fr", "en", "chat"), key("unknown")]).values())
        ['cat']
    """

    path: Path

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """Those of the keys that are known, with their texts.

        Raises:
            BadInput: the file cannot be read, or is no such cache.
        """
        with _explaining(self.path):
            if not keys or not self.path.exists():
                return {}
        with self._connected() as connection:
            return _found(connection, keys)

    def put_many(self, texts: Mapping[bytes, str]) -> None:
        """Store all of them in one transaction; what is there already stays as it is.

        Raises:
            BadInput: the file cannot be written (no such folder, no right, a full disk), or is no
                such cache.
        """
        with _explaining(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            _store(connection, texts.items())

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with _explaining(self.path):
            # isolation_level None: transactions begin where this file says so, not on their own.
            opened = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
            with closing(opened) as connection:
                yield connection


def _found(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, str]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'texts'").fetchone():
        return {}  # another process has just made the file and is about to fill it
    found: dict[bytes, str] = {}
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        marks = ",".join("?" * len(some))
        found.update(
            connection.execute(f"SELECT key, text FROM texts WHERE key IN ({marks})", some)
        )
    return found


def _store(connection: sqlite3.Connection, texts: Iterable[tuple[bytes, str]]) -> None:
    connection.execute("BEGIN IMMEDIATE")  # ask for the right to write at once, not half-way
    try:
        connection.execute(TABLE)
        connection.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?)", texts)
    except BaseException:
        if connection.in_transaction:  # SQLite takes some failures back by itself
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Say which file, and what to do, when SQLite or the disk gives up."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise BadInput(
            f"the cache {path} cannot be used: {error} (is the disk full, may you write there, "
            "does another process hold it?); CONLST_CACHE names another folder"
        ) from error
    except sqlite3.DatabaseError as error:
        raise BadInput(
            f"the cache {path} is damaged or is no cache: {error}; delete it, it will be made anew"
        ) from error
