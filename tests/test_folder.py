"""The run folder: whole files, one process at a time, and what is wrong is named."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from conlst.errors import BadInput
from conlst.folder import RunFolder

RECIPE = {"name": "mine"}
HOLD = """
import sys, time
from pathlib import Path
from conlst.folder import RunFolder
with RunFolder(Path(sys.argv[1])).started({"name": "mine"}):
    print("held", flush=True)
    time.sleep(60)
"""


def started(path):
    with RunFolder.open(path, RECIPE).started(RECIPE):
        return True


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    line = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match="run: another process is at work on this very run"):
            started(tmp_path / "run")
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert started(tmp_path / "run")


def test_the_same_process_is_refused_too_until_it_is_done(tmp_path):
    with RunFolder(tmp_path).started(RECIPE), pytest.raises(BadInput, match="another process"):
        started(tmp_path)
    assert started(tmp_path)


def test_who_comes_second_does_not_take_the_folder_for_another_recipe(tmp_path):
    late = RunFolder.open(tmp_path, {"name": "other"})
    assert started(tmp_path)
    with pytest.raises(BadInput, match="another recipe; they differ in name"):
        late.started({"name": "other"}).__enter__()
    assert json.loads((tmp_path / "recipe.json").read_text()) == RECIPE


def test_what_was_never_put_in_place_is_cleared_away(tmp_path):
    assert started(tmp_path)
    (tmp_path / "checkpoints/.source.unfinished").mkdir(parents=True)
    (tmp_path / "checkpoints/.source.unfinished/model.safetensors").write_text("half")
    (tmp_path / ".report.json.unfinished").write_text("half")
    assert started(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == [".lock", "checkpoints", "recipe.json"]


@pytest.mark.parametrize("torn", [b"", b'{"time": 3.0, "ev', b"\xff\xfe\x00", b"{}"])
def test_a_line_that_was_cut_off_is_mended_by_the_next(tmp_path, torn):
    folder = RunFolder(tmp_path)
    folder.event("stage", name="source")
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(torn)
    folder.event("finished", what="café")
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["stage", "finished"]
    assert lines[1]["what"] == "café"


@pytest.fixture
def no_room():
    """No file of this process may be larger than 2 kB, which is what a full disk is like."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.json", lambda folder: folder.write_json("a.json", {"x": "y" * 5000})),
        (
            "a.parquet",
            lambda folder: folder.write_table(
                "a.parquet", pa.table({"x": [os.urandom(9) for _ in range(999)]})
            ),
        ),
        (
            "a",
            lambda folder: folder.write_folder(
                "a", lambda path: (path / "b").write_text("x" * 5000)
            ),
        ),
    ],
)
def test_where_the_disk_gives_up_the_file_is_named_and_nothing_half_written_stays(
    tmp_path, name, write
):
    folder = RunFolder(tmp_path)
    folder.write_json("a.json", {"x": 1})
    with pytest.raises(BadInput, match=rf"{name}: cannot be written: .*the same command goes on"):
        write(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert folder.read_json("a.json") == {"x": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
def test_a_full_file_system_is_one_message(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount one")
    try:
        folder = RunFolder(tmp_path)
        with pytest.raises(BadInput, match="big: cannot be written: No space left on device"):
            folder.write_text("big", "x" * 100_000)
        folder.write_text("small", "x")
        with pytest.raises(BadInput, match=r"events.jsonl: cannot be written: No space left"):
            folder.event("long", what="x" * 100_000)
        folder.event("short")
        (line,) = (tmp_path / "events.jsonl").read_text().splitlines()
        assert json.loads(line)["event"] == "short"
        read_only = ["mount", "-o", "remount,ro", str(tmp_path)]
        subprocess.run(read_only, check=True, capture_output=True)
        with pytest.raises(BadInput, match="small: cannot be written: Read-only file system"):
            folder.write_text("small", "y")
        with pytest.raises(BadInput, match="cannot be a run folder: Read-only file system"):
            RunFolder(tmp_path / "run").started(RECIPE).__enter__()
        assert (tmp_path / "small").read_text() == "x"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_file_that_was_altered_or_is_gone_is_named(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_folder("a", lambda path: (path / "b").write_text("x"))
    folder.write_text("c", "x")
    told = folder.digests(["a", "c", "nothing"])
    assert list(told) == ["a/b", "c"]
    folder.check(told)
    Path(tmp_path / "c").write_text("y")
    with pytest.raises(BadInput, match="/c: is torn or was altered since this run wrote it"):
        folder.check(told)
    (tmp_path / "a/b").unlink()
    with pytest.raises(BadInput, match="a/b: was written by this run and is missing"):
        folder.check(told)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "not JSON"),
        ('{"steps": ' + "9" * 5000 + "}", "not JSON"),
        ("[1]", "a JSON object belongs here; found list"),
    ],
    ids=["deep", "long", "list"],
)
def test_a_record_that_nobody_could_have_written_is_named(tmp_path, text, why):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(BadInput, match=rf"record\.json: {why}"):
        RunFolder(tmp_path).read_json("record.json")
