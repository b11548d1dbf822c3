"""The whole path on the tiny bed: what a run leaves, repeats, takes up and refuses."""

import copy
import json
import math
import shutil
import subprocess
import sys
from typing import ClassVar

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import pipeline

import conlst
from conlst import steps, verdicts
from conlst.data import read_rows
from conlst.errors import BadInput
from conlst.predict import classify
from conlst.progress import Progress
from conlst.recipe import File
from conlst.selectors import Fixed
from tests.conftest import MINI, TOPICS, excerpt, write

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
STAGES = ["source", "contrastive", "self_training-1", "self_training-2"]


class Stop(Progress):
    """Interrupts a run, as Ctrl-C does, when a task of that name starts."""

    def __init__(self, at):
        self.at = at

    def task(self, what, total):
        if self.at in what:
            raise KeyboardInterrupt
        return super().task(what, total)


class CutOff:
    """A bar that interrupts a run, as Ctrl-C does, after so many batches."""

    def __init__(self, inner, left):
        self.inner, self.left = inner, left

    def __enter__(self):
        self.inner.__enter__()
        return self.advance

    def __exit__(self, *error):
        return self.inner.__exit__(*error)

    def advance(self, n=1):
        self.left -= n
        if n and self.left <= 0:
            raise KeyboardInterrupt


class Heard(Progress):
    def __init__(self):
        self.said, self.warned, self.tasks = [], [], []

    def say(self, text):
        self.said.append(text)

    def warn(self, text):
        self.warned.append(text)

    def task(self, what, total):
        self.tasks.append(what)
        return super().task(what, total)


def timeless(report):
    """A report without what the clock and the machine say."""
    if isinstance(report, dict):
        clock = ("seconds", "environment", "peak_memory")
        return {k: timeless(v) for k, v in report.items() if k not in clock}
    return [timeless(item) for item in report] if isinstance(report, list) else report


def weights(folder, name="model"):
    return load_file(folder / name / "model.safetensors")


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_encoder, files):
    """One undisturbed joint run, and its recipe."""
    raw = conftest_recipe(tiny_encoder, files)
    folder = tmp_path_factory.mktemp("done") / "run"
    return conlst.run(copy.deepcopy(raw), out=folder), raw


def conftest_recipe(tiny_encoder, files):
    from tests.conftest import recipe

    return recipe.__wrapped__(tiny_encoder, files)


# What a run leaves


def test_the_report_tells_every_stage_of_every_language(done):
    report, _ = done
    data = report.data
    assert [stage["name"] for stage in data["stages"]] == STAGES
    assert data["languages"] == ["fr", "sw", "en"]
    assert (data["setting"], data["seed"], data["finished"]) == ("inductive", 2, True)
    for stage in data["stages"]:
        cells = stage["languages"]
        assert set(cells) == {"fr", "sw", "en"}
        for cell in cells.values():
            assert 0 <= cell["accuracy"] <= 1
            assert cell["n"] == 20
        mean = (cells["fr"]["accuracy"] + cells["sw"]["accuracy"]) / 2
        assert stage["average_targets"]["accuracy"] == pytest.approx(mean)
    written = json.loads((report.folder / "report.json").read_text())
    assert written == data


def test_accuracy_is_that_of_the_predictions_against_the_file(done, files):
    report, _ = done
    table = pq.read_table(report.folder / "predictions/self_training-2.parquet").to_pylist()
    gold = {row[0]: row[2] for row in excerpt("test.sw", 20)}
    mine = [row for row in table if row["language"] == "sw"]
    right = 0
    for row in mine:
        best = max(range(3), key=lambda c: row["probabilities"][c])
        right += TOPICS[best] == gold[row["id"]]
    assert report.data["stages"][-1]["languages"]["sw"]["accuracy"] == pytest.approx(right / 20)


def test_the_stages_tell_what_the_paper_claims_can_be_checked_with(done):
    source, contrastive, first, _ = done[0].data["stages"]
    assert contrastive["complement"]["fr"].keys() >= {
        "error_rate",
        "estimated_error_rate",
        "anchors",
    }
    assert contrastive["curve"]["fr"][0]["step"] == 0
    assert len(contrastive["curve"]["fr"]) == 3
    assert set(contrastive["pool"]["fr"]["bands"]) == set(contrastive["pool"]["fr"]["bands_before"])
    assert first["selection"]["sw"].keys() >= {"coverage", "precision", "n"}
    assert 0 <= source["pool"]["fr"]["accuracy"] <= 1


def test_the_model_folder_answers_with_topic_names_and_has_a_card(done):
    folder = done[0].folder / "model"
    answer = pipeline("text-classification", str(folder))("The team won the cup.")[0]
    assert answer["label"] in TOPICS
    card = (folder / "README.md").read_text()
    assert "geography, politics, sports" in card
    assert str(folder.parent) not in card


def test_the_exported_model_is_the_last_stage(done):
    folder = done[0].folder
    assert equal(weights(folder), weights(folder, "checkpoints/self_training-2"))


def test_nothing_unfinished_is_left_behind(done):
    left = [p.name for p in done[0].folder.rglob("*") if "unfinished" in p.name]
    assert left == []


def test_the_page_and_its_figures_lie_in_the_folder(done):
    report, _ = done
    page = report.page.read_text()
    assert page.count("<svg") == 6
    assert "was adapted to 2 languages (fr, sw)" in page
    assert len(list((report.folder / "figures").glob("*.png"))) == 6
    table = pq.read_table(report.folder / "changes.parquet").to_pylist()
    assert len(table) == sum(cell["changed"] for cell in report.data["changes"].values())
    assert report.data["stages"][-1]["records"]["all"]["peak_memory"] > 2**26


def test_events_are_json_lines(done):
    lines = (done[0].folder / "events.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["event"] for line in lines]
    assert kinds.count("stage") == 4
    assert kinds[-1] == "finished"


# The same again


def test_the_same_recipe_and_seed_give_the_same_report_and_weights(done, tmp_path):
    report, raw = done
    again = conlst.run(copy.deepcopy(raw), out=tmp_path / "again")
    assert timeless(again.data) == timeless(report.data)
    assert equal(weights(again.folder), weights(report.folder))


def test_another_seed_gives_another_model(done, tmp_path):
    report, raw = done
    other = conlst.run(
        {**copy.deepcopy(raw), "seed": 14, "contrastive": None, "self_training": None},
        out=tmp_path / "other",
    )
    assert not equal(weights(other.folder), weights(report.folder, "checkpoints/source"))


@pytest.mark.parametrize("at", ["stage 1", "iteration 2", "predicting the test rows: sw"])
def test_a_run_interrupted_between_stages_goes_on_and_ends_in_the_same_numbers(done, tmp_path, at):
    report, raw = done
    with pytest.raises(KeyboardInterrupt):
        conlst.run(copy.deepcopy(raw), out=tmp_path / "run", progress=Stop(at))
    assert not (tmp_path / "run/report.json").exists()
    heard = Heard()
    again = conlst.run(copy.deepcopy(raw), out=tmp_path / "run", progress=heard)
    assert timeless(again.data) == timeless(report.data)
    assert equal(weights(again.folder), weights(report.folder))
    if at == "iteration 2":
        assert not any("fine-tuning" in task or "iteration 1" in task for task in heard.tasks)


def test_a_finished_run_is_only_reported(done):
    report, raw = done
    heard = Heard()
    again = conlst.run(copy.deepcopy(raw), out=report.folder, progress=heard)
    assert again.data == report.data
    assert heard.tasks == []


# Gold


def test_target_gold_changes_no_weight(done, tmp_path, files):
    """Every target label is replaced by another; models, pseudo-labels and selections stay."""
    report, raw = done
    poisoned = tmp_path / "files"
    shutil.copytree(files, poisoned)
    for path in [*poisoned.glob("pool.*"), *poisoned.glob("test.*")]:
        rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
        for row in rows:
            row[2] = TOPICS[(TOPICS.index(row[2]) + 1) % 3]
        write(path, rows)
    text = json.dumps(raw).replace(str(files), str(poisoned))
    other = conlst.run(json.loads(text), out=tmp_path / "run")
    for stage in STAGES:
        assert equal(*(weights(r.folder, f"checkpoints/{stage}") for r in (other, report)))
        name = f"pseudo_labels/{stage}.parquet"
        assert pq.read_table(other.folder / name).equals(pq.read_table(report.folder / name))
    assert timeless(other.data) != timeless(report.data)


# Other shapes of a run


def test_per_language_gives_each_target_its_own_model(recipe, tmp_path):
    recipe["data"]["adapt"] = "per_language"
    recipe["self_training"]["iterations"] = 1
    report = conlst.run(recipe, out=tmp_path / "run")
    assert not equal(weights(report.folder, "model/fr"), weights(report.folder, "model/sw"))
    after = report.data["stages"][-1]["languages"]
    assert after["en"]["accuracy"] is None  # only evaluated: there is no model of its own
    assert after["fr"]["accuracy"] is not None
    table = pq.read_table(report.folder / "predictions/sw/self_training-1.parquet")
    assert set(table["language"].to_pylist()) == {"sw"}


def test_a_target_may_be_the_source_language_and_may_have_no_gold(recipe, files, tmp_path):
    recipe["data"] |= {
        "languages": ["en"],
        "each": {"unlabelled": {"path": str(files / "pool.{language}.tsv")}},
        "targets": {},
    }
    recipe["self_training"]["iterations"] = 1
    report = conlst.run(recipe, out=tmp_path / "run")
    last = report.data["stages"][-1]
    assert last["languages"]["en"]["accuracy"] is None
    assert last["selection"]["en"]["precision"] is None
    assert last["selection"]["en"]["coverage"] > 0
    assert json.loads((report.folder / "report.json").read_text()) == report.data


@pytest.mark.parametrize(
    "changes",
    [
        {"contrastive": None},
        {"self_training": None},
        {"contrastive": None, "self_training": None},
        {"contrastive": {"loss": {"type": "negative"}, "negatives": None}},
        {"contrastive": {"source_loss": None, "complement": {"type": "random"}}},
        {"contrastive": {"loss": {"type": "contrastive_negative", "form": "literal"}}},
        {"contrastive": {"negatives": {"type": "uniform", "count": 4, "share": "anchor"}}},
        {"self_training": {"reinit": "pretrained", "epochs": 6, "learning_rate": 3e-3}},
        {
            "source": {
                "augment": {"type": "one_of", "choices": [{"type": "masking"}, {"type": "mixup"}]}
            }
        },
        {"self_training": {"reinit": "source", "augment": {"type": "mixup"}}},
        {
            "self_training": {
                "selector": {"type": "per_language", "selector": {"type": "flexmatch"}}
            }
        },
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_every_ablation_is_a_value(recipe, tmp_path, changes):
    recipe["self_training"]["iterations"] = 1
    for key, value in changes.items():
        recipe[key] = None if value is None else recipe[key] | value
    report = conlst.run(recipe, out=tmp_path / "run")
    names = [stage["name"] for stage in report.data["stages"]]
    loops = recipe["self_training"]["iterations"] if recipe["self_training"] else 0
    expected = ["source"] + ["contrastive"] * bool(recipe["contrastive"])
    assert names == expected + [f"self_training-{i + 1}" for i in range(loops)]
    assert report.data["finished"]


def test_reinit_starts_from_the_weights_it_names(recipe, tmp_path):
    """With a rate next to nothing, an iteration ends where it started."""
    recipe["contrastive"] = None
    recipe["self_training"] |= {"reinit": "source", "learning_rate": 1e-12, "weight_decay": 0.0}
    folder = conlst.run(recipe, out=tmp_path / "run").folder
    start, end = (weights(folder, f"checkpoints/{name}") for name in ("source", "self_training-2"))
    for name in start:
        assert torch.allclose(start[name], end[name], atol=1e-6)


def test_a_fine_tuned_folder_can_stand_for_stage_0(done, recipe, tmp_path):
    report, _ = done
    place = report.folder / "checkpoints/source"
    recipe["source"] = {"checkpoint": str(place)}
    recipe["contrastive"] = recipe["self_training"] = None
    second = conlst.run(recipe, out=tmp_path / "run")
    assert equal(weights(second.folder), weights(report.folder, "checkpoints/source"))
    first = report.data["stages"][0]["languages"]["fr"]["accuracy"]
    assert second.data["stages"][0]["languages"]["fr"]["accuracy"] == first


def test_a_transductive_run_is_called_so(recipe, files, tmp_path):
    recipe["data"]["each"]["unlabelled"] = {"path": str(files / "test.{language}.tsv")}
    recipe["data"]["each"]["pool_gold"] = None
    recipe["self_training"] = None
    report = conlst.run(recipe, out=tmp_path / "run")
    assert report.data["setting"] == "transductive"
    assert report.data["data"]["languages"]["fr"]["test_in_pool"] == 1.0
    assert "transductive" in (report.folder / "report.md").read_text().lower()


def test_pairs_go_the_whole_way(recipe, files, tmp_path):
    for path in files.glob("*.tsv"):
        rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
        cells = [[i, text, text[::-1][:20], label] for i, text, label in rows]
        write(tmp_path / path.name, cells, "id\tpremise\thypothesis\tlabel")
    text = json.dumps(recipe).replace(str(files), str(tmp_path))
    report = conlst.run(json.loads(text), out=tmp_path / "run")
    assert any("premise + hypothesis" in note for note in report.data["data"]["notes"])
    assert report.data["finished"]


def test_a_tracker_writes_into_the_run_folder(recipe, tmp_path):
    pytest.importorskip("tensorboard")
    recipe |= {"trackers": ["tensorboard"], "contrastive": None, "self_training": None}
    report = conlst.run(recipe, out=tmp_path / "run")
    assert list(report.folder.rglob("events.out.tfevents.*"))


# The command


def test_the_command_goes_the_whole_way(recipe, tmp_path, files):
    """Piped, it is quiet but for the table; what it leaves answers."""
    recipe["self_training"]["iterations"] = 1
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))

    def command(*args):
        line = [sys.executable, "-m", "conlst", *map(str, args)]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, timeout=300)

    ran = command("run", "recipe.json", "--set", "seed=21")
    assert ran.returncode == 0, ran.stderr
    assert "self-training 1" in ran.stdout
    assert "runs/tiny/report.html" in ran.stdout.replace("\n", "")
    assert all(line.startswith("warning: ") for line in ran.stderr.splitlines()), ran.stderr
    report = json.loads((tmp_path / "runs/tiny/report.json").read_text())
    assert report["seed"] == 21

    again = command("run", "recipe.json", "--set", "seed=21")
    told = ran.stderr.count("warning: ")  # while one waited, and not again at the end
    assert (ran.stdout.count("warning: "), again.stdout.count("warning: ")) == (0, told)
    assert again.stdout.startswith(ran.stdout.partition("\nrun ")[0].rstrip())

    other = command("run", "recipe.json")
    assert other.returncode == 2
    assert "another recipe; they differ in seed" in other.stderr
    assert "Traceback" not in other.stderr

    said = command("predict", "runs/tiny/model", files / "test.sw.tsv")
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    table = pq.read_table(tmp_path / "runs/tiny/predictions/self_training-1.parquet").to_pylist()
    mine = {row["id"]: row["probabilities"] for row in table if row["language"] == "sw"}
    assert len(lines) == len(mine) == 20
    for line in lines:
        assert list(line["probabilities"].values()) == pytest.approx(mine[line["id"]], abs=0.02)


# Trouble


def test_a_collapse_is_noticed_and_never_a_result(recipe, tmp_path):
    recipe["contrastive"] = None
    recipe["self_training"] |= {
        "learning_rate": 1.0,
        "warmup": 0.0,
        "clip": 1e6,
        "epochs": 3,
        "augment": None,
        "source_loss": None,
        "weight_decay": 0.5,
    }
    heard = Heard()
    report = conlst.run(recipe, out=tmp_path / "run", progress=heard)
    assert report.data["collapsed"] is True
    assert [stage["name"] for stage in report.data["stages"]] == ["source", "self_training-1"]
    assert any("collapsed" in text for text in heard.warned)
    assert "collapsed" in (report.folder / "report.md").read_text()
    assert equal(weights(report.folder), weights(report.folder, "checkpoints/source"))


class TestStopping:
    """`self_training.stop` ends the loop early, and may take its last iteration back."""

    @staticmethod
    def run(recipe, out, monkeypatch, values, **criterion):
        recipe["contrastive"] = None
        recipe["self_training"] |= {"iterations": 4, "stop": {"type": "entropy", **criterion}}
        cls = type(conlst.recipe.load(recipe).self_training.stop)
        found = iter(values)  # the report asks too, when the run is over
        monkeypatch.setattr(cls, "__call__", lambda self, pool, **more: next(found, math.nan))
        return conlst.run(recipe, out=out)

    def test_a_worse_iteration_is_rolled_back_and_no_result(self, recipe, tmp_path, monkeypatch):
        report = self.run(recipe, tmp_path / "run", monkeypatch, [-0.9, -0.8, -0.85])
        names = [stage["name"] for stage in report.data["stages"]]
        assert names == ["source", "self_training-1", "self_training-2"]
        assert report.data["finished"]
        assert not report.data["collapsed"]
        last = report.data["stages"][-1]
        assert last["records"]["all"]["criterion"] == [-0.9, -0.8, -0.85]
        (why,) = last["languages"]["sw"]["rolled_back"]
        assert why == "its stopping criterion went from -0.8 to -0.85"
        page = (report.folder / "report.md").read_text()
        assert "training-2 was rolled back" in page
        assert "Stopping criterion" in page
        kept = weights(report.folder, "checkpoints/self_training-1")
        assert equal(weights(report.folder), kept)

    def test_a_run_that_was_rolled_back_is_taken_up_as_finished(
        self, recipe, tmp_path, monkeypatch
    ):
        report = self.run(recipe, tmp_path / "run", monkeypatch, [-0.9, -0.95])
        (report.folder / "report.json").unlink()
        again = conlst.run(recipe, out=tmp_path / "run")
        assert timeless(again.data) == timeless(report.data)

    def test_going_on_is_the_rule(self, recipe, tmp_path, monkeypatch):
        report = self.run(recipe, tmp_path / "run", monkeypatch, [-0.9, -0.8, -0.7, -0.6, -0.5])
        assert len(report.data["stages"]) == 5


class Needy(Fixed):
    """Keeps the pools it is shown, with all that it asks for."""

    needs: ClassVar = frozenset({"passes", "source"})
    passes: int = 3
    seen: ClassVar = []

    def __call__(self, pool, *, generator):
        self.seen.append(pool)
        return super().__call__(pool, generator=generator)


def test_what_a_selector_needs_beyond_the_pool_is_there(recipe, tmp_path):
    """Stochastic passes differ from one another, and the source is seen as it is labelled."""
    Needy.seen.clear()
    recipe["contrastive"] = None
    recipe["self_training"]["selector"] = {"type": f"{__name__}:Needy", "threshold": 0.4}
    conlst.run(recipe, out=tmp_path / "run")
    first, second = Needy.seen
    assert first.probs_PNC.shape == (3, 48, 3)
    assert not torch.equal(first.probs_PNC[0], first.probs_PNC[1])
    assert torch.allclose(first.probs_PNC.mean(0), first.probs_NC, atol=0.3)
    assert first.source.probs_SC.shape == (48, 3)
    assert len(first.source.label) == len(first.source.features_SD) == 48
    assert not torch.equal(first.source.probs_SC, second.source.probs_SC)


@pytest.mark.parametrize(
    ("section", "part", "where"),
    [
        (
            "self_training",
            {"augment": {"type": "mixup", "where": 9}},
            r"\(mixup\): .* 9; .* 2",
        ),
        (
            "source",
            {"loss": {"type": "attention_pull"}, "augment": {"type": "masking"}},
            r"source.loss .* found layer 5; .* 1",
        ),
    ],
)
def test_a_layer_that_the_encoder_has_not_is_told_before_anything_runs(
    recipe, tmp_path, section, part, where
):
    recipe[section] |= part
    with pytest.raises(BadInput, match=where):
        conlst.run(recipe, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_candidate_set_is_told_by_the_label_the_model_gave(recipe, tmp_path):
    recipe["contrastive"] = None
    recipe["self_training"] |= {
        "iterations": 1,
        "selector": {"type": "partial_labels", "selector": {"type": "fixed", "threshold": 1.0}},
        "loss": {"type": "partial_label"},
        "augment": None,
    }
    report = conlst.run(recipe, out=tmp_path / "run")
    before = pq.read_table(report.folder / "pseudo_labels/source.parquet").to_pylist()
    taken = pq.read_table(report.folder / "pseudo_labels/self_training-1.parquet").to_pylist()
    for row, told in zip(before, taken, strict=True):
        assert told["label"] == row["probabilities"].index(max(row["probabilities"]))
        assert sum(share > 0 for share in told["target"]) == 2


def test_an_iteration_without_any_row_leaves_the_model_as_it_was(recipe, tmp_path):
    """Also where it would have begun from the pretrained weights."""
    recipe["contrastive"] = None
    nobody = {"type": "fixed", "threshold": 1.0}
    recipe["self_training"] |= {"iterations": 1, "reinit": "pretrained", "selector": nobody}
    report = conlst.run(recipe, out=tmp_path / "run")
    assert equal(weights(report.folder), weights(report.folder, "checkpoints/source"))


def test_a_part_whose_code_was_changed_makes_another_run(recipe, tmp_path):
    recipe |= {"contrastive": None}
    recipe["source"]["epochs"] = recipe["self_training"]["iterations"] = 1
    recipe["self_training"]["selector"] = {"type": "my_selector:Mine"}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    part = (
        "from conlst.arrays import Selection\nfrom conlst.selectors import Selector\n"
        "class Mine(Selector):\n    def __call__(self, pool, *, generator):\n"
        "        return Selection.hard(pool, pool.confidence >= {least})\n"
    )
    (tmp_path / "my_selector.py").write_text(part.format(least=0.3))
    conlst.run(tmp_path / "recipe.json", out=tmp_path / "run")
    assert conlst.run(tmp_path / "recipe.json", out=tmp_path / "run").data["finished"]
    (tmp_path / "my_selector.py").write_text(part.format(least=0.4))
    with pytest.raises(BadInput, match=r"other code; changed since: part my_selector:Mine"):
        conlst.run(tmp_path / "recipe.json", out=tmp_path / "run")


def test_a_file_that_an_augmenter_reads_must_stay_as_it_was(recipe, tmp_path):
    words = tmp_path / "words.json"
    words.write_text('{"the": ["this"]}')
    recipe["source"]["augment"] = {"type": "synonym", "path": str(words)}
    with pytest.raises(KeyboardInterrupt):
        conlst.run(recipe, out=tmp_path / "run", progress=Stop("stage 1"))
    words.write_text('{"the": ["that"]}')
    with pytest.raises(BadInput, match=r"changed since: source.augment: words.json"):
        conlst.run(recipe, out=tmp_path / "run")


def test_what_a_selector_remembers_is_not_taken_over_from_another_run(recipe, tmp_path):
    flexmatch = {"type": "flexmatch", "threshold": 0.4}
    recipe["contrastive"] = None
    recipe["self_training"] |= {"mode": "online", "iterations": 1, "selector": flexmatch}
    first = conlst.run(copy.deepcopy(recipe), out=tmp_path / "first").folder
    recipe["source"] = {"checkpoint": str(first / "checkpoints/self_training-1")}
    recipe["data"]["languages"] = ["fr"]  # a pool of another size
    assert conlst.run(recipe, out=tmp_path / "second").data["finished"]


def test_a_model_that_reads_its_logits_otherwise_predicts_as_the_run_did(recipe, tmp_path, files):
    leu = {"type": "leu"}
    recipe["source"] |= {"loss": leu}
    recipe["contrastive"] = None
    recipe["self_training"] |= {"loss": leu, "source_loss": leu, "iterations": 1}
    report = conlst.run(recipe, out=tmp_path / "run")
    rows, _ = read_rows(File(path=str(files / "test.sw.tsv")), "sw", where="FILE")
    _, probs = classify(report.folder / "model", rows, Progress())
    table = pq.read_table(report.folder / "predictions/self_training-1.parquet").to_pylist()
    mine = {row["id"]: row["probabilities"] for row in table if row["language"] == "sw"}
    for id, row in zip(rows.ids, probs.tolist(), strict=True):
        assert row == pytest.approx(mine[id], abs=0.02)  # read in bf16 where there is any


def test_a_loss_that_explodes_is_one_message_and_leaves_what_was_done(recipe, tmp_path):
    recipe["contrastive"] = None
    recipe["self_training"] |= {"learning_rate": 1e30, "clip": 1e30, "warmup": 0.0}
    with pytest.raises(BadInput, match=r"is nan at step|is inf at step"):
        conlst.run(recipe, out=tmp_path / "run")
    assert (tmp_path / "run/checkpoints/source/record.json").is_file()
    assert not (tmp_path / "run/report.json").exists()


def test_a_run_folder_of_another_recipe_is_refused_and_kept(done):
    report, raw = done
    before = (report.folder / "report.json").read_bytes()
    with pytest.raises(BadInput, match=r"another recipe; they differ in self_training.iterations"):
        conlst.run(copy.deepcopy(raw), out=report.folder, edits=["self_training.iterations=3"])
    assert (report.folder / "report.json").read_bytes() == before


def test_a_folder_with_other_things_is_refused_and_kept(recipe, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match=r"holds thesis.tex and no recipe.json"):
        conlst.run(recipe, out=tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_run_that_could_not_begin_leaves_no_folder(recipe, tmp_path):
    """The corrected recipe is then not taken for another one."""
    wrong = [f"data.each.unlabelled.path={tmp_path}/nowhere.tsv"]
    with pytest.raises(BadInput, match="there is no file"):
        conlst.run(recipe, out=tmp_path / "run", edits=wrong)
    assert not (tmp_path / "run").exists()


def test_data_that_changed_since_the_run_began_is_refused(recipe, tmp_path, files):
    shutil.copytree(files, tmp_path / "files")
    raw = json.loads(json.dumps(recipe).replace(str(files), str(tmp_path / "files")))
    with pytest.raises(KeyboardInterrupt):
        conlst.run(raw, out=tmp_path / "run", progress=Stop("stage 1"))
    write(tmp_path / "files/pool.sw.tsv", excerpt("pool.sw", 21))
    with pytest.raises(BadInput, match=r"other data; changed since: sw.unlabelled, sw.pool_gold"):
        conlst.run(raw, out=tmp_path / "run")


def test_single_texts_beside_pairs_are_refused_before_training(recipe, tmp_path, files):
    pairs = [[i, text, "x", label] for i, text, label in excerpt("pool.fr", 9)]
    mixed = write(tmp_path / "fr.tsv", pairs, "id\tpremise\thypothesis\tlabel")
    recipe["data"]["targets"] |= {"fr": {"unlabelled": {"path": str(mixed)}, "pool_gold": None}}
    with pytest.raises(BadInput, match=r"data.targets.fr.unlabelled: holds pairs, but .* single"):
        conlst.run(recipe, out=tmp_path / "run")


def test_one_language_that_collapses_is_seen_among_others(recipe, tmp_path, monkeypatch):
    kept = verdicts.pool_symptoms
    seen = []

    def watch(before, after, classes):
        seen.append(len(before))
        return kept(before, torch.zeros_like(after), classes) if len(seen) == 2 else []

    monkeypatch.setattr(verdicts, "pool_symptoms", watch)
    report = conlst.run(recipe, out=tmp_path / "run")
    assert seen == [24, 24]
    (why,) = report.data["stages"][1]["languages"]["sw"]["collapse"]
    assert why.startswith("sw: predictions fell")


def test_a_selector_sees_what_the_iteration_before_selected(recipe, tmp_path, monkeypatch):
    seen = []
    kept = steps.self_training.train

    def watch(stage, model, source, target, pool, tools):
        seen.append((pool.round, pool.previous))
        out = kept(stage, model, source, target, pool, tools)
        seen.append(out.selection)
        return out

    monkeypatch.setattr(steps.self_training, "train", watch)
    conlst.run(recipe, out=tmp_path / "run")
    (first, nothing), selected, (second, previous), _ = seen
    assert (first, nothing, second) == (1, None, 2)
    assert torch.equal(previous.index, selected.index)
    assert torch.equal(previous.target_KC, selected.target_KC)


def test_a_checkpoint_of_another_encoder_is_refused(recipe, done, tmp_path):
    recipe["source"] = {"checkpoint": str(done[0].folder / "model")}
    recipe["model"]["name"] = str(MINI)
    with pytest.raises(BadInput, match=r"source.checkpoint .* is not a fine-tuned model.name"):
        conlst.run(recipe, out=tmp_path / "run")


def test_a_file_cannot_be_a_run_folder(recipe, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(BadInput, match="it is a file"):
        conlst.run(recipe, out=tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def test_gold_that_cannot_be_joined_is_refused_before_training(recipe, tmp_path):
    other = write(tmp_path / "gold.tsv", [["x1", "a", "sports"], ["x2", "b", "politics"]])
    recipe["data"]["targets"] |= {"fr": {"pool_gold": {"path": str(other)}}}
    heard = Heard()
    with pytest.raises(BadInput, match=r"data.targets.fr.pool_gold: .* for 24 of 24 row"):
        conlst.run(recipe, out=tmp_path / "run", progress=heard)
    assert heard.tasks == []


def test_an_unlabelled_test_file_is_refused_before_training(recipe, tmp_path):
    bare = write(tmp_path / "test.tsv", [["1", "a"], ["2", "b"]], "id\ttext")
    recipe["data"]["targets"] |= {"sw": {"test": {"path": str(bare)}}}
    with pytest.raises(BadInput, match=r"data.targets.sw.test: test.tsv: .*label"):
        conlst.run(recipe, out=tmp_path / "run")


def test_warnings_of_parts_reach_the_report(recipe, tmp_path):
    recipe["contrastive"] = None
    recipe["self_training"] |= {
        "iterations": 1,
        "selector": {"type": "flexmatch", "threshold": 0.95},
    }
    heard = Heard()
    report = conlst.run(recipe, out=tmp_path / "run", progress=heard)
    assert any("at most 1/C" in text for text in report.data["warnings"])
    assert any("at most 1/C" in text for text in heard.warned)


def test_numbers_in_a_report_are_finite(done):
    def walk(node):
        if isinstance(node, dict):
            return all(map(walk, node.values()))
        if isinstance(node, list):
            return all(map(walk, node))
        return not isinstance(node, float) or math.isfinite(node)

    assert walk(done[0].data)
