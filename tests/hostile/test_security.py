"""Nothing that can execute is read, nothing is written elsewhere, nothing is fetched unasked.

What a recipe names as code (`module:Class`, a plug-in, `trust_remote_code`) is run: tests of that
stand with the registry. SECURITY.md tells the whole.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from transformers import AutoModelForSequenceClassification

import conlst
from conlst.arrays import Rows
from conlst.cli import _line_of_json, main
from conlst.errors import BadInput
from conlst.hub import out_of_reach
from conlst.model import load as load_model
from conlst.predict import classify
from conlst.progress import Progress, inert
from conlst.recipe import Model, load
from conlst.report.card import card
from conlst.report.markdown import escape
from conlst.trust import refuse_unsafe

TOPICS = ["geography", "politics", "sports"]
BOMB = b"cos\nsystem\n(S'touch exploded'\ntR."


@pytest.fixture
def folder(tiny_encoder, tmp_path, monkeypatch):
    """A model folder of its own to spoil, and a place where an explosion would show."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(tiny_encoder, tmp_path / "model")


def active(markdown):
    """Elements of rendered Markdown that lead somewhere, load or run something."""
    html = MarkdownIt("commonmark").enable("table").render(markdown)
    return {tag.lower() for tag in re.findall(r"<(\w+)", html)} & HARM


HARM = {"a", "img", "script", "iframe", "svg", "form", "input", "style", "link", "object", "embed"}


def changed(file, **fields):
    held = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(held | fields))


def pickled(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(BOMB)


def brings_code(folder):
    changed(folder / "config.json", auto_map={"AutoModelForSequenceClassification": "mine.Model"})
    (folder / "mine.py").write_text("open('exploded', 'w')\n")


def brings_a_tokenizer(folder):
    changed(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["mine.Tokenizer", None]})


def links_out(folder):
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")
    (folder / "model.safetensors").symlink_to(folder.parent / "elsewhere.safetensors")


def leads_out(folder):
    (folder.parent / "secret.txt").write_text("secret")
    changed(folder / "tokenizer_config.json", vocab_file="../secret.txt")


def shards_elsewhere(folder):
    (folder.parent / "other.safetensors").write_bytes(b"")
    index = {"weight_map": {"classifier.weight": "../other.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def adapts(folder):
    changed(folder / "adapter_config.json", base_model_name_or_path="somebody/else")


SPOILED = {
    pickled: "pickled weights can execute code and are not read",
    brings_code: r"found code of its own \(auto_map in config.json: .*mine.Model",
    brings_a_tokenizer: r"found code of its own \(auto_map in tokenizer_config.json",
    links_out: "found model.safetensors, a link that leaves the folder",
    leads_out: r"found a path that leaves the folder \(vocab_file in tokenizer_config.json",
    shards_elsewhere: r"a path that leaves the folder \(classifier.weight in model.safetensors.in",
    adapts: "found adapter_config.json: an adapter",
}


class TestModelFolders:
    @pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
    def test_what_executes_or_leads_elsewhere_is_refused_everywhere(self, folder, recipe, spoil):
        spoil(folder)
        section = Model(name=str(folder), max_length=24)
        with pytest.raises(BadInput, match=SPOILED[spoil]):
            load_model(section, TOPICS)
        with pytest.raises(BadInput, match=SPOILED[spoil]):
            classify(folder, Rows(["0"], ["a"], None, ["en"]), Progress())
        recipe["source"]["checkpoint"] = str(folder)
        Path("recipe.json").write_text(json.dumps(recipe))
        done = CliRunner().invoke(main, ["validate", "recipe.json"])
        assert done.exit_code == 2
        assert re.search(f"source.checkpoint: .*{SPOILED[spoil]}", done.stderr)
        assert not Path("exploded").exists()

    @pytest.mark.parametrize("spoil", [links_out, leads_out, brings_a_tokenizer, brings_code])
    def test_whoever_trusts_it_may_have_it(self, folder, spoil):
        spoil(folder)
        refuse_unsafe(str(folder), trusted=True)

    def test_pickles_are_not_read_even_then(self, folder):
        pickled(folder)
        with pytest.raises(BadInput, match="pickled weights"):
            refuse_unsafe(str(folder), trusted=True)

    def test_a_pickle_beside_the_weights_stays_shut(self, folder):
        for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
            (folder / name).write_bytes(BOMB)
        load_model(Model(name=str(folder), max_length=24), TOPICS)
        assert not Path("exploded").exists()

    def test_the_hubs_own_cache_links_to_what_stands_beside(self, folder, tmp_path):
        entry = tmp_path / "models--some--encoder"
        shutil.copytree(folder, entry / "snapshots" / "abc")
        (entry / "blobs").mkdir()
        weights = entry / "snapshots" / "abc" / "model.safetensors"
        weights.rename(entry / "blobs" / "123")
        weights.symlink_to("../../blobs/123")
        refuse_unsafe(str(entry / "snapshots" / "abc"))

    def test_paths_of_the_machine_that_made_it_do_no_harm(self, folder):
        """They are common on the hub, and lead nowhere here."""
        changed(folder / "tokenizer_config.json", special_tokens_map_file="/home/them/map.json")
        refuse_unsafe(str(folder))

    def test_settings_that_are_no_json_are_named(self, folder):
        (folder / "tokenizer_config.json").write_text("{")
        with pytest.raises(BadInput, match=r"tokenizer_config.json: cannot be read as JSON"):
            refuse_unsafe(str(folder))

    def test_a_readout_that_names_code_is_not_imported(self, folder, monkeypatch):
        network = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
        network.save_pretrained(folder)
        Path("mine.py").write_text("open('exploded', 'w').close()\n")
        monkeypatch.syspath_prepend(str(folder.parent))
        sum_ = {"type": "weighted_sum", "losses": [{"type": "mine:Loss"}]}
        (folder / "readout.json").write_text(json.dumps(sum_))
        rows = Rows(["0"], ["a"], None, ["en"])
        with pytest.raises(BadInput, match="found the code 'mine:Loss', which would be imported"):
            classify(folder, rows, Progress())
        assert not Path("exploded").exists()
        with pytest.raises(BadInput, match="not the readout of a conlst model"):
            classify(folder, rows, Progress(), trust_remote_code=True)
        assert Path("exploded").exists()


class TestPlaces:
    """Neither recipes nor data name a place to write to."""

    @pytest.mark.parametrize(
        "edit",
        [
            "name=../up",
            "name=/etc",
            "name=a/b",
            "name=..",
            'name="run\\n"',
            'data.targets={"../up": {"unlabelled": {"path": "a.tsv"}}}',
            'data.targets={"en/../../up": {"unlabelled": {"path": "a.tsv"}}}',
            'data.languages=["../fr"]',
            "data.source.language=../en",
            "out=elsewhere",
            'trackers=["/elsewhere"]',
        ],
    )
    def test_a_recipe_that_names_a_place(self, edit):
        with pytest.raises(BadInput):
            load("quickstart", [edit])

    @pytest.mark.slow
    def test_hostile_data_stay_in_the_run_folder_and_harm_nobody(self, recipe, tmp_path):
        """Ids, labels and texts that are paths, markup and terminal commands."""
        spoil = ["../../up", "<script>alert(1)</script>", "\x1b[2J\u202e", "![x](http://x.example)"]
        names = dict(zip(TOPICS, ["../up", "<img src=x onerror=y>", "**[a](//x)**|"], strict=True))
        data = recipe["data"]
        files = [data["source"]["train"]["path"]]
        files += [
            data["each"][k]["path"].replace("{language}", c)
            for k in ("unlabelled", "test")
            for c in ("fr", "sw")
        ]
        place = tmp_path / "data"
        place.mkdir()
        for file in files:
            head, *lines = Path(file).read_text().splitlines()
            cells = [line.split("\t") for line in lines]
            made = [
                [f"{spoil[n % 4]}{n}", f"{text} {spoil[n % 4]}", names[label]]
                for n, (_, text, label) in enumerate(cells)
            ]
            (place / Path(file).name).write_text(
                "\n".join([head, *("\t".join(row) for row in made)]) + "\n"
            )
        moved = json.dumps(recipe).replace(str(Path(files[0]).parent), str(place))
        recipe = json.loads(moved)
        recipe["data"].pop("targets")
        before = set(tmp_path.rglob("*"))
        report = conlst.run(recipe, out=tmp_path / "run")
        new = set(tmp_path.rglob("*")) - before
        assert all(p.is_relative_to(tmp_path / "run") for p in new)
        for name in ("report.md", "model/README.md"):
            text = (report.folder / name).read_text()
            assert inert(text) == text
            assert active(text) == set()
        page = (report.folder / "report.html").read_text()
        assert "<img src=x" not in page
        assert "<script>alert" not in page


class TestNetwork:
    @pytest.mark.slow
    def test_a_run_without_hub_names_opens_no_socket(self, recipe, tmp_path, monkeypatch):
        def refuse(*args, **kwargs):
            raise AssertionError(f"a socket to {args}")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        recipe["contrastive"] = None
        recipe["source"]["epochs"] = recipe["self_training"]["iterations"] = 1
        assert conlst.run(recipe, out=tmp_path / "run").data["finished"]

    def test_offline_is_said_where_a_hub_name_is_not_in_the_cache(self, tmp_path):
        around = os.environ | {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(tmp_path),
            "PYTHONPATH": str(Path(conlst.__file__).parents[1]),
        }
        edits = [
            "--set",
            "model.name=some/encoder",
            "--set",
            'self_training.augment={"type": '
            '"back_translation", "translators": [{"type": "mbart50"}]}',
        ]
        both = [[], edits[:2], edits[2:]]
        found = [
            subprocess.run(
                [sys.executable, "-m", "conlst", "validate", "quickstart", *each],
                env=around,
                cwd=tmp_path,
                capture_output=True,
                text=True,
            )
            for each in both
        ]
        assert [done.returncode for done in found] == [0, 2, 2]
        said = "is not in the hub's cache, and HF_HUB_OFFLINE forbids to fetch it"
        assert f"model.name: 'some/encoder' {said}" in found[1].stderr
        assert "self_training.augment: 'fr' by mbart50: " in found[2].stderr
        assert said in found[2].stderr

    def test_where_the_hub_may_be_asked_nothing_is_known_before(self, monkeypatch):
        monkeypatch.setattr("conlst.hub.offline", lambda: False)
        assert out_of_reach("some/encoder") is None

    def test_names_that_no_model_can_have(self, monkeypatch):
        monkeypatch.setattr("conlst.hub.offline", lambda: True)
        assert "no name that a model on the hub could have" in out_of_reach("a/b/c/d")


class TestText:
    @pytest.mark.parametrize(
        "text",
        [
            "<script>x</script>",
            "[a](javascript:x)",
            "![a](//x)",
            "`a`",
            "a|b",
            "<!-- -->",
            "https://x.example",
            "\x1b[31m",
            "\u202e",
            "\n# a",
            "&lt;",
            "a@b.example",
            "\x9b31m",
        ],
    )
    def test_markdown_shows_it_and_does_nothing(self, text):
        shown = escape(text)
        assert inert(shown) == shown
        assert "\n" not in shown
        assert active(shown) == set()

    def test_a_model_card_shows_class_names_and_does_nothing(self, recipe, monkeypatch):
        monkeypatch.setattr("conlst.report.card.headline", lambda report: "<b>Said.")
        names = ["<img src=x>", "[a](http://x.example)"]
        report = {"classes": names, "stages": [], "adapt": "joint"}
        text = card(report, load(recipe), [], "source", pairs=False)
        assert active(text) == set()
        assert "img src=x" in text

    def test_predictions_are_json_that_cannot_speak_to_a_terminal(self):
        value = {"id": "\x9b31m\u202e\U000e0041", "label": "jina la Kiswahili, 中文, a\u200cb"}
        line = _line_of_json(value)
        assert inert(line) == line
        assert json.loads(line) == value
        assert "中文" in line
