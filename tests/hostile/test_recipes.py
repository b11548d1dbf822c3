"""Recipes that went wrong in hundreds of ways; `python -m benchmarks.faults` tries thousands."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

from benchmarks.faults.recipes import Attempt, attempts, judged, measure
from conlst.cli import main
from conlst.errors import BadInput
from conlst.recipe import load


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(attempts())
def test_a_mutated_recipe_is_refused_cleanly_or_accepted(tmp_path_factory, attempt):
    judged(attempt, tmp_path_factory.getbasetemp())


def test_what_is_measured_counts_every_outcome():
    result = measure(20, 3)
    assert result["asked"] == result["survived"] == sum(result["where"].values()) >= 20
    assert result["differing"] == []


def test_a_message_in_pydantics_words_would_be_seen(tmp_path, monkeypatch):
    """The judge is not blind: it holds what the command says against what is forbidden."""

    def load(recipe, edits):
        raise BadInput("mine.json: 1 fault(s)\n  seed: Input should be a valid integer")

    monkeypatch.setattr("conlst.recipe.load", load)
    with pytest.raises(AssertionError, match="Input should"):
        judged(Attempt(b"{}", ()), tmp_path)


def refused(change, *parts):
    recipe = {
        "conlst": 1,
        "model": {"name": "some/encoder"},
        "data": {
            "source": {"train": {"path": "train.tsv"}},
            "targets": {"sw": {"unlabelled": {"path": "sw.tsv"}}},
        },
    }
    with pytest.raises(BadInput) as refusal:
        load(recipe | change)
    for part in parts:
        assert part in str(refusal.value)


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


class TestFoundAndAllowed:
    """In the words of recipes, whatever the kind of fault; the nearest match where there is one."""

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            (
                {"self_training": {"mode": "ofline"}},
                "self_training.mode: found 'ofline'; did you mean 'offline'? "
                "allowed: offline, online, retrain",
            ),
            (
                {"contrastive": {"negatives": {"type": "uniform", "languages": "al"}}},
                "contrastive.negatives.languages: found 'al'; did you mean 'all'? "
                "allowed: all | own | other | object of name: number >= 0",
            ),
            (
                {"contrastive": {"negatives": {"type": "uniform", "languages": {"sw": -1}}}},
                "contrastive.negatives.languages: found {'sw': -1}; allowed: all | own",
            ),
            (
                {"self_training": {"selector": "fixed"}},
                "self_training.selector: a strategy is an object with a 'type'; "
                'write it as {"type": "fixed"}',
            ),
            ({"self_training": {"selector": "fixd"}}, "did you mean 'fixed'?"),
            ({"self_training": {"selector": {}}}, "self_training.selector.type: is missing"),
            ({"model": None}, "model: found null; allowed: object of name, revision"),
            ({"name": "a/b"}, "name: found 'a/b'; allowed: string of the form ^[A-Za-z0-9]"),
            ({"trackers": ["wand"]}, "trackers[0]: found 'wand'; did you mean 'wandb'?"),
        ],
    )
    def test_each_kind_of_fault(self, change, line):
        refused(change, f"{line}")

    def test_a_key_that_breaks_the_line_is_told_on_one(self):
        refused({"model": {"name": "a", "b\nc\x85d": 1}}, "\n  model.b\\nc\\x85d: no such field")

    def test_one_fault_is_told_once_however_many_forms_were_tried(self):
        refused({"contrastive": {"negatives": {"type": "uniform", "languages": 3}}}, "1 fault(s)")

    def test_of_very_many_faults_the_first_are_told(self):
        refused({f"field{n}": 1 for n in range(500)}, "500 fault(s)", "... and 450 more")

    def test_a_misspelt_class_in_a_module_of_ones_own(self, tmp_path):
        (tmp_path / "parts_of_mine.py").write_text(
            "from conlst.selectors import Fixed, Selector\nclass Margin(Fixed): pass\n"
        )
        recipe = json.loads(json.dumps({"conlst": 1, "extends": ["quickstart"]}))
        recipe["self_training"] = {"selector": {"type": "parts_of_mine:Margn"}}
        (tmp_path / "mine.json").write_text(json.dumps(recipe))
        with pytest.raises(BadInput, match="no such class; did you mean 'Margin'"):
            load(tmp_path / "mine.json")


class TestPlain:
    """What no later step could read, copy, print or write down."""

    @pytest.mark.parametrize("levels", [70, 100_000])
    def test_lists_in_lists(self, levels):
        refused({"description": nested(levels)}, "description[0][0]", "allowed: 64 levels")

    def test_an_object_that_holds_itself(self):
        circle = {}
        circle["self"] = circle
        refused({"source": circle}, "source.self.self", "allowed: 64 levels")

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"seed": 10**5000}, "seed: found a whole number of 16610 bits"),
            ({"description": "\ud83d"}, "description: found '\\ud83d', which holds half"),
            ({"source": {"checkpoint": "./a\0b"}}, "source.checkpoint: found './a\\x00b'"),
            ({"source": {3: 4}}, "source: found the key 3; allowed: strings"),
            ({"\ud83d": 1}, "recipe: found '\\ud83d'"),
        ],
    )
    def test_values(self, change, fault):
        refused(change, fault)

    def test_a_number_too_long_for_python_to_read(self, tmp_path):
        (tmp_path / "mine.json").write_text('{"seed": ' + "9" * 5000 + "}")
        with pytest.raises(BadInput, match=r"mine\.json: not JSON: Exceeds the limit"):
            load(tmp_path / "mine.json")
        with pytest.raises(BadInput, match=r"--set seed=9+: Exceeds the limit"):
            load("quickstart", ["seed=" + "9" * 5000])

    def test_an_edit_that_nests_without_end(self):
        with pytest.raises(BadInput, match="--set "):
            load("quickstart", ["description=" + "[" * 100_000])
        with pytest.raises(BadInput, match="allowed: 64 levels"):
            load("quickstart", ["description=" + json.dumps(nested(100))])

    @pytest.mark.parametrize("length", [300, 5000])
    @pytest.mark.parametrize("field", ["model.name", "source.checkpoint", "data.source.train.path"])
    def test_a_name_longer_than_that_of_any_file(self, field, length):
        done = CliRunner().invoke(
            main, ["validate", "quickstart", "--set", f"{field}=./{'x' * length}"]
        )
        assert done.exit_code == 2
        assert f"  {field.removesuffix('.path')}: " in done.stderr
        assert max(map(len, done.stderr.splitlines())) <= 1000

    def test_recipes_that_extend_one_another_without_end(self, tmp_path):
        for n in range(100):
            (tmp_path / f"{n}.json").write_text(json.dumps({"extends": [f"{n + 1}.json"]}))
        with pytest.raises(BadInput, match="extends leads on from file to file; allowed: 16"):
            load(tmp_path / "0.json")


@pytest.mark.parametrize("loss", ["r3f", "kl_consistency", "embedding_push"])
def test_a_loss_that_compares_views_where_none_are_made(loss):
    refused({"source": {"loss": {"type": loss}}}, f"source.loss: {loss!r} compares rows")
    refused(
        {"self_training": {"loss": {"type": loss}, "augment": None}},
        "found self_training.augment null; allowed: any augmenter",
    )
