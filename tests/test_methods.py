"""Every packaged method goes after every packaged setting, and runs."""

import json

import pytest

import conlst
from conlst import recipe as recipes

SETTINGS = [name for name in recipes.packaged() if name.startswith("settings/")]
METHODS = [name for name in recipes.packaged() if name.startswith("methods/")]
TRANSLATING = {"methods/conlst-bt", "methods/translate-train", "methods/translate-test"}


@pytest.fixture
def setting(recipe, tmp_path):
    """The tiny bed as a setting: model, data, budgets, and no part of any method."""
    budgets = {
        "source": {"epochs": 2, "learning_rate": 3e-3, "batch_size": 8},
        "contrastive": {"learning_rate": 1e-4, "batch_size": 8, "curve": 0},
        "self_training": {"iterations": 2, "epochs": 1, "learning_rate": 1e-4, "batch_size": 8},
    }
    path = tmp_path / "setting.json"
    path.write_text(json.dumps(recipe | budgets), encoding="utf-8")
    return path


@pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
@pytest.mark.parametrize("method", sorted(set(METHODS) - TRANSLATING))
def test_every_method_runs(method, setting, tmp_path):
    edits = ["source.loss.losses.3.layer=1"] if method.endswith("ept-apt") else []
    recipe = {"conlst": 1, "extends": [str(setting), method]}
    report = conlst.run(recipe, out=tmp_path / "run", edits=edits)
    assert report.data["finished"]
    print([(s["name"], s["facts"] if "facts" in s else "") for s in report.data["stages"]])
