import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch

from conlst.augment.translators import Table, Translator
from conlst.augment.translators.desk import Desk
from conlst.cache import TextCache


class Echo(Translator):
    """Says every text back with a mark of its own, and tells what it was asked."""

    mark: str = "!"

    def knows(self, source, target):
        return source != target

    @contextmanager
    def opened(self):
        LOG.append("open")

        def translate(texts, source, target, *, generator):
            LOG.append(list(texts))
            number = int(torch.randint(1000, (), generator=generator))
            return [f"{source}>{target} {text}{self.mark} {number}" for text in texts]

        yield translate
        LOG.append("close")


LOG = []
Echo.at_once = 3


@pytest.fixture(autouse=True)
def log():
    LOG.clear()
    return LOG


@pytest.fixture
def cache(tmp_path):
    return TextCache(tmp_path / "translations.sqlite")


class Counted:
    def __init__(self):
        self.steps = []

    def __call__(self, n=1):
        self.steps.append(n)


def asked(cache, texts, translator=None, draw=0, source="fr", target="en"):
    counted = Counted()
    with Desk(translator or Echo(), cache, draw) as desk:
        found = desk(texts, source, target, counted)
    assert sum(counted.steps) == len(texts)
    return found, desk.made


def test_what_was_made_once_is_not_made_again(cache, log):
    first, made = asked(cache, ["a", "b", "a", "", " "])
    assert log == ["open", ["a", "b"], "close"]
    assert made == 2
    assert list(first) == ["a", "b", "", " "]
    assert first[""] == first[" "] == ""
    log.clear()
    assert asked(cache, ["b", "a", ""]) == ({k: first[k] for k in ("b", "a", "")}, 0)
    assert log == [], "the translator was opened though nothing was missing"
    asked(cache, ["a", "c"])
    assert log == ["open", ["c"], "close"]


def test_translations_are_stored_in_bits_as_they_come(cache, log):
    counted = Counted()
    with Desk(Echo(), cache) as desk:
        desk(list("abcdefgh"), "fr", "en", counted)
    assert [entry for entry in log if isinstance(entry, list)] == [
        ["a", "b", "c"],
        ["d", "e", "f"],
        ["g", "h"],
    ]
    assert counted.steps == [0, 3, 3, 2]


@pytest.mark.parametrize(
    "changed",
    [
        {"translator": Echo(mark="?")},
        {"draw": 1},
        {"source": "de"},
        {"target": "es"},
    ],
)
def test_another_translator_draw_or_language_is_another_translation(cache, changed):
    asked(cache, ["a"])
    assert asked(cache, ["a"], **changed)[1] == 1
    assert asked(cache, ["a"])[1] == 0


def test_chance_hangs_on_the_texts_alone(cache, tmp_path):
    other = TextCache(tmp_path / "other.sqlite")
    whole = asked(cache, list("abcdef"))[0]
    assert asked(other, list("abc"))[0] == {k: whole[k] for k in "abc"}
    assert asked(other, list("abcdef"))[0] == whole  # taken up again after a kill


def test_what_another_process_stored_first_is_given_out(cache):
    class Overtaken(Echo):
        @contextmanager
        def opened(self):
            with super().opened() as translate:

                def late(texts, source, target, *, generator):
                    keys = [desk._key(source, target, text) for text in texts]
                    cache.put_many(dict.fromkeys(keys, "the other's"))
                    return translate(texts, source, target, generator=generator)

                yield late

    with Desk(Overtaken(), cache) as desk:
        assert desk(["a"], "fr", "en", Counted()) == {"a": "the other's"}


PROGRAM = """
import sys, time
from contextlib import contextmanager
from pathlib import Path
from conlst.augment.translators import Translator
from conlst.augment.translators.desk import Desk
from conlst.cache import TextCache

class Slow(Translator):
    at_once = 10
    def knows(self, source, target):
        return True
    @contextmanager
    def opened(self):
        def translate(texts, source, target, *, generator):
            time.sleep(0.005)
            return [text.upper() for text in texts]
        yield translate

texts = [f"text {i}" for i in range(int(sys.argv[2]))]
with Desk(Slow(), TextCache(Path(sys.argv[1]))) as desk:
    found = desk(texts, "fr", "en", lambda n=1: print(n, flush=True))
    assert found == {text: text.upper() for text in texts}
    print("made", desk.made, flush=True)
"""


def worker(cache, n):
    arguments = [sys.executable, "-c", PROGRAM, str(cache.path), str(n)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


class Shouting(Translator):
    """What the program above works with, in a hurry."""

    def knows(self, source, target):
        return True

    @contextmanager
    def opened(self):
        yield lambda texts, source, target, *, generator: [text.upper() for text in texts]


def left(cache, n):
    """How many of the program's texts are still to be made; they are made now."""
    texts = [f"text {i}" for i in range(n)]
    found, made = asked(cache, texts, Shouting())
    assert found == {text: text.upper() for text in texts}
    return made


def test_after_a_kill_work_goes_on_where_it_stood(cache):
    process = worker(cache, 2000)
    said = [process.stdout.readline().strip() for _ in range(6)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert said == ["0", "10", "10", "10", "10", "10"]
    made = left(cache, 2000)
    assert made <= 1950
    assert made % 10 == 0
    assert left(cache, 2000) == 0


def test_two_processes_share_the_work(cache):
    for process in [worker(cache, 300), worker(cache, 300)]:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert left(cache, 300) == 0


def test_a_translator_that_loses_a_text_is_found_out(cache):
    class Loser(Echo):
        @contextmanager
        def opened(self):
            yield lambda texts, source, target, *, generator: texts[1:]

    with pytest.raises(ValueError, match="shorter"):
        asked(cache, ["a", "b"], Loser())


def test_a_table_that_changed_is_asked_again(cache, tmp_path):
    path = tmp_path / "made.jsonl"
    line = '{"source": "fr", "target": "en", "text": "un", "translation": "%s"}'
    path.write_text(line % "one")
    assert asked(cache, ["un"], Table(path=str(path)))[0] == {"un": "one"}
    path.write_text(line % "a bit")
    assert asked(cache, ["un"], Table(path=str(path)))[0] == {"un": "a bit"}
