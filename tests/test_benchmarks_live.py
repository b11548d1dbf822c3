"""What a grid sees of runs that are at work."""

import shutil
import threading
from pathlib import Path

import pytest

import conlst

if not (Path(conlst.__file__).parents[1] / "benchmarks").is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)

from benchmarks.live import done_stages


def test_stages_are_those_in_their_place(tmp_path):
    for name in ("source", "sw/.contrastive.unfinished"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "record.json").write_text("{}")
    assert done_stages(tmp_path) == ["source"]


def test_a_run_may_be_deleted_while_one_looks(tmp_path):
    over = threading.Event()

    def churn():
        while not over.is_set():
            for i in range(5):
                place = tmp_path / f"run/checkpoints/sw/self_training-{i}"
                place.mkdir(parents=True)
                (place / "record.json").write_text("{}")
            shutil.rmtree(tmp_path / "run")

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        for _ in range(2000):
            done_stages(tmp_path / "run")
    finally:
        over.set()
        worker.join()
