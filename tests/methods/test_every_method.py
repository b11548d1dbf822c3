"""Every packaged method goes after every packaged setting, leaves it its budget, and runs."""

import pytest

import conlst
from conlst import recipe as recipes
from conlst.recipe import Optimisation
from tests.methods.conftest import method

SETTINGS = [name for name in recipes.packaged() if name.startswith("settings/")]
METHODS = [n.partition("/")[2] for n in recipes.packaged() if n.startswith("methods/")]
TRANSLATING = {"conlst-bt", "conlst-mt", "translate-train", "translate-test"}
STAGES = ("source", "contrastive", "self_training")


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_goes_after_every_setting_and_leaves_it_its_budget(name, setting):
    made, plain = method(name, setting), recipes.load(setting)
    for stage in STAGES:
        mine, its = getattr(made, stage), getattr(plain, stage)
        budget = Optimisation.model_fields if mine else ()
        assert [getattr(mine, k) for k in budget] == [getattr(its, k) for k in budget]
    own = {"adapt", "translate"}
    assert made.data.model_dump(exclude=own) == plain.data.model_dump(exclude=own)
    assert made.model == plain.model


@pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
@pytest.mark.parametrize("name", sorted(set(METHODS) - TRANSLATING))
def test_every_method_that_needs_no_translator_runs(name, setting, tmp_path):
    edits = ["source.loss.losses.3.layer=1"] if name == "ept-apt" else []  # two layers here
    checked = method(name, setting, edits)
    if checked.self_training:
        edits.append("self_training.iterations=1")
    if checked.data.adapt == "per_language":
        edits.append("data.targets.fr.unlabelled=null")
    recipe = {"conlst": 1, "name": name, "extends": [str(setting), f"methods/{name}"]}
    report = conlst.run(recipe, out=tmp_path / "run", edits=edits).data
    later = [checked.contrastive and "contrastive", checked.self_training and "self_training-1"]
    assert report["finished"]
    assert [stage["name"] for stage in report["stages"]] == ["source", *filter(None, later)]
