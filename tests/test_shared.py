"""Runs that share a stage end in the numbers of runs that do not, and train it once."""

import copy
import json

import pyarrow.parquet as pq
import pytest

import conlst
from conlst import runner, steps
from tests.test_run import timeless


@pytest.fixture
def alone(recipe):
    """One language, one iteration."""
    recipe = copy.deepcopy(recipe)
    recipe["data"] |= {"adapt": "per_language", "languages": ["sw"], "targets": {}}
    recipe["self_training"]["iterations"] = 1
    return recipe


def of(recipe, **changes):
    return copy.deepcopy(recipe) | changes


def french(recipe):
    return of(recipe, data=recipe["data"] | {"languages": ["fr"]})


def trained(monkeypatch):
    """The stages that are trained from now on, by name."""
    names = []

    def noting(module, name, stage):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, **more: names.append(stage) or real(*given, **more)
        )

    noting(runner.source, "train", "source")
    noting(steps.contrastive, "train", "contrastive")
    return names


def weights(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.safetensors")}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


def test_a_run_that_takes_both_stages_ends_as_one_that_trained_them(
    alone, tmp_path, monkeypatch, place
):
    other = of(alone, self_training=alone["self_training"] | {"selector": {"type": "gmm"}})
    plain = conlst.run(alone, out=tmp_path / "plain")
    names = trained(monkeypatch)
    conlst.run(other, out=tmp_path / "other", shared=place)
    assert names == ["source", "contrastive"]
    taken = conlst.run(alone, out=tmp_path / "taken", shared=place)
    assert names == ["source", "contrastive"]
    assert timeless(taken.data) == timeless(plain.data)
    assert weights(taken.folder) == weights(plain.folder)
    for name in ("contrastive-curve", "contrastive"):
        file = f"pseudo_labels/sw/{name}.parquet"
        assert pq.read_table(taken.folder / file).equals(pq.read_table(plain.folder / file))


def test_the_source_stage_is_shared_by_runs_of_different_targets(
    alone, tmp_path, monkeypatch, place
):
    plain = conlst.run(french(alone), out=tmp_path / "plain")
    conlst.run(alone, out=tmp_path / "sw", shared=place)
    names = trained(monkeypatch)
    taken = conlst.run(french(alone), out=tmp_path / "taken", shared=place)
    assert names == ["contrastive"]
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
def test_what_a_stage_depends_on_makes_another(alone, tmp_path, monkeypatch, place, edit, again):
    conlst.run(alone, out=tmp_path / "first", shared=place)
    names = trained(monkeypatch)
    conlst.run(alone, out=tmp_path / "second", shared=place, edits=[edit])
    assert names == again


def test_other_rows_under_the_same_name_make_another_stage(
    alone, tmp_path, monkeypatch, place, files
):
    conlst.run(alone, out=tmp_path / "first", shared=place)
    lines = (files / "pool.sw.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    pool = tmp_path / "pool.sw.tsv"
    alone["data"]["each"]["unlabelled"]["path"] = str(pool)
    pool.write_text("".join(lines), encoding="utf-8")
    conlst.run(alone, out=tmp_path / "second", shared=place)
    names = trained(monkeypatch)
    pool.write_text("".join(lines[:-3]), encoding="utf-8")
    conlst.run(alone, out=tmp_path / "third", shared=place)
    assert names == ["contrastive"]


def test_a_run_that_died_while_it_trained_leaves_nothing_half_done(
    alone, tmp_path, monkeypatch, place
):
    recipe = of(alone, seed=77)
    with monkeypatch.context() as patched:
        patched.setattr(steps.contrastive, "train", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            conlst.run(recipe, out=tmp_path / "run", shared=place)
    names = trained(monkeypatch)
    conlst.run(recipe, out=tmp_path / "run", shared=place)
    assert names == ["contrastive"]
    record = json.loads((tmp_path / "run/checkpoints/sw/contrastive/record.json").read_text())
    assert (place / record["shared"]).is_dir()


def test_a_page_is_written_unless_nobody_wants_one(alone, tmp_path):
    with_page = conlst.run(alone, out=tmp_path / "page")
    without = conlst.run(alone, out=tmp_path / "bare", page=False)
    assert (with_page.folder / "report.md").is_file()
    assert not (without.folder / "report.md").exists()
    assert timeless(without.data) == timeless(with_page.data)
