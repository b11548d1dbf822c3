"""Whole runs that are cut off inside their stages, altered, pruned, and taken up."""

import copy
import json
import math
import os
import shutil
import subprocess
import sys

import pytest

import conlst
from conlst import snapshot
from conlst.errors import BadInput
from conlst.progress import Progress
from tests.conftest import recipe as fixture
from tests.test_run import STAGES, CutOff, Heard, Stop, equal, timeless, weights

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")


@pytest.fixture(scope="module")
def raw(tiny_encoder, files):
    """A memory of negatives, thresholds that count, and accumulated batches."""
    raw = fixture.__wrapped__(tiny_encoder, files)
    raw["contrastive"]["negatives"] = {"type": "memory_bank", "count": 4}
    raw["self_training"] |= {
        "mode": "online",
        "accumulate": 2,
        "selector": {"type": "flexmatch", "threshold": 0.4},
    }
    return raw


@pytest.fixture(scope="module")
def done(raw, tmp_path_factory):
    return conlst.run(copy.deepcopy(raw), out=tmp_path_factory.mktemp("done") / "run", page=False)


class Cut(Heard):
    """Interrupts each stage once, after some of its batches."""

    def __init__(self, batches):
        super().__init__()
        self.batches, self.cut = batches, set()

    def task(self, what, total):
        inner = super().task(what, total)
        stage = what.startswith(("source", "stage"))
        if not stage or what in self.cut:
            return inner
        self.cut.add(what)
        return CutOff(inner, self.batches)


def test_a_run_cut_off_inside_every_stage_ends_in_the_same_numbers(
    done, raw, tmp_path, monkeypatch
):
    monkeypatch.setattr(snapshot, "EVERY", 0.0)
    monkeypatch.setattr(snapshot, "SHARE", math.inf)
    cut, cuts = Cut(batches=4), 0
    while True:
        try:
            again = conlst.run(copy.deepcopy(raw), out=tmp_path / "run", progress=cut, page=False)
            break
        except KeyboardInterrupt:
            cuts += 1
    assert cuts == 4
    assert timeless(again.data) == timeless(done.data)
    for name in STAGES:
        place = f"checkpoints/{name}/record.json"
        one, other = (json.loads((run.folder / place).read_text()) for run in (done, again))
        assert one["files"] == other["files"]
    assert [text for text in cut.said if "going on" in text] == [
        "source: fine-tuning: going on after batch 3 of 60",
        "stage 1: contrastive negative learning: going on after batch 3 of 6",
        "stage 2: self-training, iteration 1: going on after batch 2 of 6",
        "stage 2: self-training, iteration 2: going on after batch 2 of 6",
    ]
    assert cut.warned == [text for text in cut.warned if "begins anew" not in text]
    assert [p.name for p in again.folder.rglob(".*")] == [".lock"]


def test_between_stages_it_says_after_which_it_goes_on(raw, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        conlst.run(copy.deepcopy(raw), out=tmp_path / "run", progress=Stop("iteration 1"))
    heard = Heard()
    conlst.run(copy.deepcopy(raw), out=tmp_path / "run", progress=heard, page=False)
    assert [text for text in heard.said if "going on" in text] == ["going on after contrastive"]


@pytest.mark.parametrize(
    "name",
    [
        "checkpoints/source/model.safetensors",
        "checkpoints/contrastive/config.json",
        "pseudo_labels/source.parquet",
    ],
)
def test_an_altered_file_is_named_and_nothing_is_built_on_it(done, raw, tmp_path, name):
    shutil.copytree(done.folder, tmp_path / "run")
    for gone in ("report.json", "checkpoints/self_training-2/record.json"):
        (tmp_path / "run" / gone).unlink()
    content = bytearray((tmp_path / "run" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "run" / name).write_bytes(content)
    heard = Heard()
    with pytest.raises(BadInput, match=rf"{name}: is torn or was altered since this run wrote"):
        conlst.run(copy.deepcopy(raw), out=tmp_path / "run", progress=heard)
    assert heard.tasks == []


def test_a_report_is_not_made_of_altered_tables(done, tmp_path):
    shutil.copytree(done.folder, tmp_path / "run")
    table = tmp_path / "run/predictions/self_training-1.parquet"
    table.write_bytes(table.read_bytes() + b"x")
    line = [sys.executable, "-m", "conlst", "report", str(tmp_path / "run")]
    said = subprocess.run(line, capture_output=True, text=True)
    assert said.returncode == 2
    assert "self_training-1.parquet: is torn or was altered" in said.stderr.replace("\n", "")


class Counting(Progress):
    """Files that are open as each iteration begins."""

    def __init__(self):
        self.open = []

    def task(self, what, total):
        if "iteration" in what:
            self.open.append(len(os.listdir("/dev/fd")))
        return super().task(what, total)


def test_the_last_two_iterations_keep_their_weights_and_no_file_stays_open(raw, tmp_path):
    recipe, counting = copy.deepcopy(raw), Counting()
    recipe["self_training"]["iterations"] = 4
    out = tmp_path / "whole"
    whole = conlst.run(copy.deepcopy(recipe), out=out, progress=counting, page=False)
    assert len(set(counting.open[1:])) == 1
    places = sorted((whole.folder / "checkpoints").iterdir())
    heavy = [place.name for place in places if (place / "model.safetensors").exists()]
    assert heavy == ["contrastive", "self_training-3", "self_training-4", "source"]
    assert all((place / "record.json").is_file() for place in places)
    assert [p.name for p in (whole.folder / "checkpoints/self_training-1").iterdir()] == [
        "record.json"
    ]
    with pytest.raises(KeyboardInterrupt):
        conlst.run(copy.deepcopy(recipe), out=tmp_path / "cut", progress=Stop("iteration 4"))
    again = conlst.run(copy.deepcopy(recipe), out=tmp_path / "cut", page=False)
    assert timeless(again.data) == timeless(whole.data)
    assert equal(weights(again.folder), weights(whole.folder))


def test_a_test_file_that_vanishes_on_the_way_costs_no_stage(done, raw, tmp_path, files):
    shutil.copytree(files, tmp_path / "files")
    recipe = json.loads(json.dumps(raw).replace(str(files), str(tmp_path / "files")))
    file = tmp_path / "files/test.sw.tsv"

    class Vanishing(Progress):
        def task(self, what, total):
            if "iteration 2" in what:
                file.rename(tmp_path / "away")
            return super().task(what, total)

    with pytest.raises(BadInput, match=r"test.sw.tsv: there is no file"):
        conlst.run(recipe, out=tmp_path / "run", progress=Vanishing())
    with pytest.raises(BadInput, match=r"test.sw.tsv: there is no file"):
        conlst.run(recipe, out=tmp_path / "run")
    (tmp_path / "away").rename(file)
    heard = Heard()
    again = conlst.run(recipe, out=tmp_path / "run", progress=heard, page=False)
    assert heard.tasks == []
    assert equal(weights(again.folder), weights(done.folder))


def test_a_loss_that_explodes_leaves_a_folder_that_says_the_same_again(raw, tmp_path):
    recipe = copy.deepcopy(raw) | {"contrastive": None}
    recipe["self_training"] |= {"learning_rate": 1e30, "clip": 1e30, "warmup": 0.0}
    for _ in range(2):
        with pytest.raises(BadInput, match=r"is nan|is inf|is no number") as said:
            conlst.run(copy.deepcopy(recipe), out=tmp_path / "run")
    assert "iteration 1" in str(said.value)
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["source"]
