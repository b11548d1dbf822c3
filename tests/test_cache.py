import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conlst.cache import TextCache, folder, key
from conlst.errors import BadInput

BATCH = 50
WRITER = """
import sys
from pathlib import Path
from conlst.cache import TextCache, key
path, name, first, last = sys.argv[1:]
cache = TextCache(Path(path))
print("ready", flush=True)
for batch in range(int(first), int(last)):
    cache.put_many({key(str(batch), str(i)): f"{name} {batch} {i}" for i in range(50)})
    print(batch, flush=True)
"""


@pytest.fixture
def cache(tmp_path):
    return TextCache(tmp_path / "deep" / "translations.sqlite")


def writer(cache, name, first, last):
    arguments = [sys.executable, "-c", WRITER, str(cache.path), name, str(first), str(last)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def keys_of(batches):
    return [key(str(batch), str(i)) for batch in batches for i in range(BATCH)]


def test_what_is_stored_is_found_and_nothing_else(cache):
    assert cache.get_many([key("a")]) == {}
    cache.put_many({key("a"): "één", key("b"): "", key("c"): "nul \0 and line\nend"})
    assert cache.get_many([key("c"), key("b"), key("z")]) == {
        key("b"): "",
        key("c"): "nul \0 and line\nend",
    }
    assert cache.get_many([]) == {}


def test_looking_makes_no_file(cache):
    cache.get_many([key("a")])
    assert not cache.path.parent.exists()


def test_what_is_there_stays(cache):
    cache.put_many({key("a"): "first"})
    cache.put_many({key("a"): "second", key("b"): "new"})
    assert cache.get_many([key("a"), key("b")]) == {key("a"): "first", key("b"): "new"}


def test_more_keys_than_one_question_holds(cache):
    cache.put_many({key(str(i)): str(i) for i in range(3000)})
    found = cache.get_many([key(str(i)) for i in range(0, 6000, 2)])
    assert sorted(map(int, found.values())) == list(range(0, 3000, 2))


def test_parts_of_a_key_do_not_run_together():
    assert len({key("ab", "c"), key("a", "bc"), key("abc"), key("a", "b", "c")}) == 4
    assert key("\ud800") != key("?")  # half a character has a key too


def test_the_folder_is_the_chosen_one_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("CONLST_CACHE", str(tmp_path / "chosen"))
    assert folder() == tmp_path / "chosen"
    monkeypatch.delenv("CONLST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "conlst"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder() == tmp_path / ".cache" / "conlst"


def test_two_processes_write_at_once(cache):
    one, two = writer(cache, "one", 0, 30), writer(cache, "two", 15, 45)
    said = [process.communicate(timeout=60) and process.returncode for process in (one, two)]
    assert said == [0, 0]
    found = cache.get_many(keys_of(range(45)))
    assert len(found) == 45 * BATCH
    for batch in range(15, 30):  # whoever came first wrote the whole batch
        names = {found[k].split()[0] for k in keys_of([batch])}
        assert len(names) == 1


def test_a_kill_leaves_whole_batches_only_and_the_cache_usable(cache):
    done = set()
    for attempt in range(4):
        process = writer(cache, "killed", attempt * 1000, (attempt + 1) * 1000)
        for line in process.stdout:
            if line.strip() == str(attempt * 1000 + 5):
                break
            done |= {int(line)} if line.strip().isdigit() else set()
        time.sleep(0.003 * attempt)  # at another point of a batch each time
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    counts = {
        batch: len(cache.get_many(keys_of([batch])))
        for attempt in range(4)
        for batch in range(attempt * 1000, attempt * 1000 + 60)
    }
    assert set(counts.values()) <= {0, BATCH}
    assert all(counts[batch] == BATCH for batch in done), "what was stored is gone"
    cache.put_many({key("after"): "the kill"})
    assert cache.get_many([key("after")]) == {key("after"): "the kill"}
    with sqlite3.connect(cache.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_file_just_made_by_another_process_is_empty_not_damaged(cache):
    cache.path.parent.mkdir()
    cache.path.touch()
    assert cache.get_many([key("a")]) == {}
    cache.put_many({key("a"): "b"})
    assert cache.get_many([key("a")]) == {key("a"): "b"}


@pytest.mark.parametrize("spoil", ["other", "torn"])
def test_a_damaged_file_is_named_and_left_alone(cache, spoil):
    cache.put_many({key(str(i)): "text" * 20 for i in range(500)})
    whole = cache.path.read_bytes()
    spoilt = b"no database at all" * 99 if spoil == "other" else whole[:4096] + b"\xff" * 20000
    cache.path.write_bytes(spoilt)
    for use in (lambda: cache.get_many([key("1")]), lambda: cache.put_many({key("x"): "y"})):
        with pytest.raises(BadInput, match=r"translations\.sqlite is damaged .*; delete it"):
            use()
    assert cache.path.read_bytes() == spoilt


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    blocked = TextCache(tmp_path / "file" / "translations.sqlite")
    with pytest.raises(BadInput, match=r"file/translations\.sqlite cannot be used: .*CONLST_CACHE"):
        blocked.put_many({key("a"): "b"})
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match=r"folder cannot be used"):
        TextCache(tmp_path / "folder").get_many([key("a")])


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system of the system's")
def test_a_read_only_file_system_is_named():
    with pytest.raises(BadInput, match=r"/proc/conlst/c\.sqlite cannot be used"):
        TextCache(Path("/proc/conlst/c.sqlite")).put_many({key("a"): "b"})


def test_a_full_disk_stores_nothing_of_the_batch(cache):
    cache.put_many({key("before"): "kept"})
    program = """
import resource, sys
from pathlib import Path
from conlst.cache import TextCache, key
from conlst.errors import BadInput
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    TextCache(Path(sys.argv[1])).put_many({key(str(i)): "long" * 100 for i in range(5000)})
except BadInput as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", program, str(cache.path)], capture_output=True, text=True, check=True
    )
    assert f"the cache {cache.path} cannot be used" in said.stdout
    assert cache.get_many([key("before"), key("0"), key("4999")]) == {key("before"): "kept"}
