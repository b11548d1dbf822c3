"""Rivals of contrastive negative learning: what they take from a complementary label."""

import json

import pytest
import torch

import conlst
from conlst.arrays import LossInput
from tests.methods.conftest import generator, method

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")


def gradient(loss, x, values):
    """Of the sum of a loss by some of its input."""
    loss(x).sum().backward()
    return values.grad


def test_negative_learning_is_conlst_without_negatives():
    mine, its = (method(name).contrastive.model_dump() for name in ("negative-learning", "conlst"))
    assert [key for key in mine if mine[key] != its[key]] == ["negatives", "loss"]
    assert mine["negatives"] is None
    assert method("negative-learning").self_training == method("conlst").self_training
    logits = torch.zeros(2, 3, requires_grad=True)
    complement = torch.tensor([[False, True, False], [False, False, False]])
    x = LossInput(logits, complement=complement)
    found = gradient(method("negative-learning").contrastive.loss, x, logits)
    assert found[0].sign().tolist() == [-1, 1, -1]  # a step lowers the complementary class alone
    assert found[1].tolist() == [0, 0, 0]


def test_jnpl_lowers_the_complementary_class_and_raises_the_one_that_is_left(pool):
    stage = method("jnpl").contrastive
    complement = stage.complement(pool, generator=generator())
    assert (complement.sum(1) == 2).all()  # any class but the pseudo-label, whoever is sure
    assert not complement.gather(1, pool.pseudo_label[:, None]).any()
    logits = torch.tensor([[1.0, 0.9, -2.0], [2.0, 0.0, 0.0]], requires_grad=True)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    found = gradient(stage.loss, LossInput(logits, complement=nothing), logits)
    assert found[0].tolist() == [0, 0, 0]  # two classes are above chance: not yet
    assert found[1].sign().tolist() == [-1, 1, 1]
    logits = torch.tensor([[1.0, 0.9, -2.0]], requires_grad=True)
    ruled_out = torch.tensor([[False, True, False]])
    found = gradient(stage.loss, LossInput(logits, complement=ruled_out), logits)
    assert found[0].sign().tolist() == [-1, 1, -1]


def test_jnpl_is_one_stage_without_any_source_row(setting, tmp_path):
    recipe = {"conlst": 1, "name": "jnpl", "extends": [str(setting), "methods/jnpl"]}
    edits = ["data.targets.fr.unlabelled=null"]
    report = conlst.run(recipe, out=tmp_path / "run", edits=edits)
    place = report.folder / "checkpoints/sw/contrastive/record.json"
    assert "source" not in json.loads(place.read_text())["facts"]["loss"]
    assert [stage["name"] for stage in report.data["stages"]] == ["source", "contrastive"]


def test_ccl_pushes_unsure_rows_from_the_sure_ones_of_all_their_least_likely_classes(pool):
    stage = method("ccl").contrastive
    complement = stage.complement(pool, generator=generator())
    assert (complement.sum(1) == 2).all()  # floor(.7 * 3)
    assert stage.draw == "all"
    assert stage.negatives is None  # the batch itself holds them
    h = torch.nn.functional.normalize(torch.randn(4, 5, generator=generator()), dim=1)
    h.requires_grad_()
    x = LossInput(
        torch.zeros(4, 3),
        target=torch.eye(3)[[0, 1, 2, 0]],
        complement=torch.tensor([[False, True, True]]).repeat(4, 1),
        confident=torch.tensor([False, True, True, False]),
        anchor=h,
        positive=h.detach(),
    )
    stage.loss(x)[0].backward()
    assert [bool(row.any()) for row in h.grad] == [True, True, True, False]
