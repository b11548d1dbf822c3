"""Runs that share a stage end in the numbers of runs that do not, and train it once."""

import copy
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch

import conlst
from conlst import bench, runner, steps
from conlst.arrays import Tokens
from conlst.labels import labelled_once
from conlst.predict import Labelled
from tests import conftest
from tests.test_run import timeless


@pytest.fixture(scope="module")
def world(tiny_encoder, files, tmp_path_factory):
    """A recipe of one language, a run of it that shares nothing, and a run that others share."""
    raw = conftest.recipe.__wrapped__(tiny_encoder, files)
    raw["data"] |= {"adapt": "per_language", "languages": ["sw"], "targets": {}}
    raw["self_training"]["iterations"] = 1
    folder = tmp_path_factory.mktemp("world")
    other = copy.deepcopy(raw)
    other["self_training"]["selector"] = {"type": "gmm"}
    conlst.run(other, out=folder / "other", shared=folder / "shared", page=False)
    plain = conlst.run(raw, out=folder / "plain", page=False)
    return SimpleNamespace(recipe=raw, plain=plain, place=folder / "shared")


@pytest.fixture
def trained(monkeypatch):
    """The stages that are trained from now on, by name."""
    names = []

    def noted(module, name):
        real = module.train
        monkeypatch.setattr(module, "train", lambda *given: names.append(name) or real(*given))

    noted(runner.source, "source")
    noted(steps.contrastive, "contrastive")
    return names


def weights(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.safetensors")}


def test_a_run_that_takes_both_stages_ends_as_one_that_trained_them(world, tmp_path, trained):
    taken = conlst.run(world.recipe, out=tmp_path / "run", shared=world.place, page=False)
    assert trained == []
    assert timeless(taken.data) == timeless(world.plain.data)
    assert weights(taken.folder) == weights(world.plain.folder)
    for name in ("contrastive-curve", "contrastive"):
        file = f"pseudo_labels/sw/{name}.parquet"
        assert pq.read_table(taken.folder / file).equals(pq.read_table(world.plain.folder / file))


def test_what_shared_weights_say_is_not_computed_again(world, tmp_path, monkeypatch):
    """Pool, tests and watched source rows are labelled after the stage that is not shared alone."""
    passes, real = [], bench.label

    def noted(model, tokens, progress, what):
        passes.append(what.partition(":")[0])
        return real(model, tokens, progress, what)

    monkeypatch.setattr(bench, "label", noted)
    conlst.run(world.recipe, out=tmp_path / "run", shared=world.place, page=False)
    assert sorted(passes) == [
        "labelling source rows",
        "labelling the pool",
        "predicting the test rows",
    ]


def test_runs_that_ask_for_the_same_labels_at_once_wait_for_the_first(tmp_path):
    tokens = Tokens(torch.arange(4, dtype=torch.int32), None, torch.tensor([0, 2, 4]))
    asked = []

    def label():
        asked.append("once")
        time.sleep(0.3)
        return Labelled(torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 5))

    with ThreadPoolExecutor() as pool:
        both = [pool.submit(labelled_once, tmp_path / "labels", tokens, label) for _ in range(2)]
    assert asked == ["once"]
    assert all(one.result().probs_NC.equal(torch.ones(2, 3)) for one in both)


def test_labels_without_their_weights_are_no_stage(world, tmp_path, trained):
    """A grid lets go of a stage that a run elsewhere still labels rows with."""
    recipe = world.recipe | {"seed": 78}
    conlst.run(recipe, out=tmp_path / "run", shared=world.place, page=False)
    record = json.loads((tmp_path / "run/checkpoints/sw/contrastive/record.json").read_text())
    shutil.rmtree(world.place / record["shared"])
    (world.place / record["shared"] / "labels").mkdir(parents=True)
    conlst.run(recipe, out=tmp_path / "again", shared=world.place, page=False)
    assert trained == ["source", "contrastive", "contrastive"]


def test_the_source_stage_is_shared_by_runs_of_different_targets(world, tmp_path, trained):
    french = world.recipe | {"data": world.recipe["data"] | {"languages": ["fr"]}}
    taken = conlst.run(french, out=tmp_path / "taken", shared=world.place, page=False)
    assert trained == ["contrastive"]
    plain = conlst.run(french, out=tmp_path / "plain", page=False)
    assert timeless(taken.data) == timeless(plain.data)
    assert weights(taken.folder) == weights(plain.folder)


@pytest.mark.parametrize(
    ("edit", "again"),
    [
        ("seed=3", ["source", "contrastive"]),
        ("source.learning_rate=2e-3", ["source", "contrastive"]),
        ("contrastive.learning_rate=2e-4", ["contrastive"]),
        ("self_training.learning_rate=2e-4", []),
    ],
)
def test_what_a_stage_depends_on_makes_another(world, tmp_path, trained, edit, again):
    out = tmp_path / "run"
    conlst.run(world.recipe, out=out, shared=world.place, edits=[edit], page=False)
    assert trained == again


def test_rows_are_known_by_what_they_are_and_not_by_where_they_lie(world, tmp_path, trained, files):
    lines = (files / "pool.sw.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    pool, recipe = tmp_path / "elsewhere.tsv", copy.deepcopy(world.recipe)
    recipe["data"]["each"]["unlabelled"]["path"] = str(pool)
    pool.write_text("".join(lines), encoding="utf-8")
    conlst.run(recipe, out=tmp_path / "same", shared=world.place, page=False)
    assert trained == []
    pool.write_text("".join(lines[:-3]), encoding="utf-8")
    conlst.run(recipe, out=tmp_path / "fewer", shared=world.place, page=False)
    assert trained == ["contrastive"]


def test_a_run_that_died_while_it_trained_leaves_nothing_half_done(world, tmp_path, monkeypatch):
    recipe = world.recipe | {"seed": 77}
    with monkeypatch.context() as patched:
        patched.setattr(steps.contrastive, "train", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            conlst.run(recipe, out=tmp_path / "run", shared=world.place, page=False)
    monkeypatch.setattr(runner.source, "train", None)  # it is there
    conlst.run(recipe, out=tmp_path / "run", shared=world.place, page=False)
    record = json.loads((tmp_path / "run/checkpoints/sw/contrastive/record.json").read_text())
    assert (world.place / record["shared"]).is_dir()


def test_a_page_is_written_unless_nobody_wants_one(world, tmp_path):
    with_page = conlst.run(world.recipe, out=tmp_path / "page", shared=world.place)
    assert (with_page.folder / "report.md").is_file()
    assert not (world.plain.folder / "report.md").exists()
    assert timeless(with_page.data) == timeless(world.plain.data)
