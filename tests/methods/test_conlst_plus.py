"""Our own recipe: no class is favoured, in either stage, and a figure without labels ends it."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import torch

import conlst
from conlst.testing import random_pool
from tests.methods.conftest import generator, method


def named(pool, selection):
    """How many rows of each language are taken for each class."""
    taken = zip(selection.index.tolist(), selection.target_KC.argmax(1).tolist(), strict=True)
    return Counter((int(pool.language[row]), label) for row, label in taken)


def test_anchors_are_a_fifth_of_each_language_s_rows_for_each_class():
    pool = random_pool(120, seed=3)
    gate = method("conlst-plus").contrastive.confident
    counts = named(pool, gate(pool, generator=generator()))
    assert set(counts.values()) <= set(range(1, 60 // 5 + 1))
    assert len(counts) == 2 * 3


def test_every_row_has_a_soft_label_and_no_class_is_favoured_over_the_source():
    favoured = torch.tensor([1.0, -0.5, -0.5])
    pool = random_pool(400, source=60, seed=3)
    probs_NC = (pool.logits_NC + favoured).softmax(1)
    pool = replace(pool, probs_NC=probs_NC, logits_NC=probs_NC.log())
    loop = method("conlst-plus").self_training
    chosen = loop.selector(pool, generator=generator())
    assert chosen.index.tolist() == list(range(400))
    assert chosen.weight.tolist() == [1.0] * 400
    assert ((chosen.target_KC > 0) & (chosen.target_KC < 1)).all()
    wanted_C = pool.source.probs_SC.mean(0)
    before, after = (
        (shares.mean(0) - wanted_C).abs().max() for shares in (probs_NC, chosen.target_KC)
    )
    assert after < before / 2


@pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
def test_an_iteration_that_tells_rows_apart_less_is_gone_back_from(setting, tmp_path):
    recipe = {"conlst": 1, "name": "plus", "extends": [str(setting), "methods/conlst-plus"]}
    edits = ["source.epochs=20", "self_training.learning_rate=0.05"]  # it breaks
    run = conlst.run(recipe, out=tmp_path / "run", edits=edits)
    record = json.loads(
        (run.folder / "checkpoints/self_training-1/record.json").read_text(encoding="utf-8")
    )
    before, after = record["criterion"]
    assert after < before
    assert record["verdict"] == "roll back"
    assert set(run.data["handed_out"]["stages"].values()) == {"contrastive"}
