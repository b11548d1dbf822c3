"""The packaged XNLI settings go the whole way, with local stand-ins for hub data and model."""

import datasets
import pytest

import conlst
from tests.conftest import excerpt

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
NAMES = ["entailment", "neutral", "contradiction"]


@pytest.fixture
def hub(monkeypatch):
    """What the two data sets look like on the hub, in a few rows; says what was asked for."""
    asked = []

    def load_dataset(name, config=None, *, split):
        asked.append((name, config, split))
        texts = [row[1] for row in excerpt("source.en", 24)]
        features = datasets.Features(
            premise=datasets.Value("string"),
            hypothesis=datasets.Value("string"),
            label=datasets.ClassLabel(names=NAMES),
        )
        columns = {
            "premise": texts,
            "hypothesis": texts[::-1],
            "label": [i % 3 for i in range(len(texts))],
        }
        return datasets.Dataset.from_dict(columns, features=features)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


@pytest.mark.parametrize("setting", ["settings/xnli-mbert", "settings/xnli-xlmr"])
def test_xnli_settings_run_on_stand_ins(hub, setting, tiny_encoder, tmp_path):
    edits = [
        f"model.name={tiny_encoder}",
        "model.max_length=24",
        "model.precision=fp32",
        'data.languages=["sw"]',
        "source.epochs=1",
        "source.learning_rate=1e-3",
        "self_training.iterations=1",
        "self_training.epochs=1",
        "contrastive.curve=0",
        "contrastive.negatives.count=2",
    ]
    recipe = {"conlst": 1, "name": "stand-in", "extends": [setting, "methods/conlst"]}
    report = conlst.run(recipe, out=tmp_path / "run", edits=edits)
    assert report.data["classes"] == NAMES
    assert [s["name"] for s in report.data["stages"]][:2] == ["source", "contrastive"]
    assert set(hub) == {
        ("nyu-mll/multi_nli", None, "train"),
        ("nyu-mll/multi_nli", None, "validation_matched"),
        ("facebook/xnli", "sw", "validation"),
        ("facebook/xnli", "sw", "test"),
    }


def test_xnli_labels_are_never_watched_during_training():
    """XNLI's English dev labels are the pool's gold: the source dev set must be another one."""
    for setting in ("settings/xnli-mbert", "settings/xnli-xlmr"):
        recipe = conlst.recipe.load(setting)
        assert recipe.data.source.dev.hub == "nyu-mll/multi_nli"
