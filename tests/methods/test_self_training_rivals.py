"""Rivals of stage 2: whom they select, for how long, and what a label is to them."""

import json
import math
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

import conlst
from conlst import steps
from conlst.arrays import LossInput, Points, Selection, SourceView
from conlst.errors import BadInput
from conlst.testing import pool_of
from conlst.verdicts import verdict
from tests.methods.conftest import another_mind, generator, method

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")


def labels(selection):
    """Row -> the class it is taken for."""
    said = selection.target_KC.argmax(1)
    return dict(zip(selection.index.tolist(), said.tolist(), strict=True))


@pytest.mark.parametrize("name", ["sl-leu", "sl-lou", "sl-evi"])
def test_sl_never_selects_a_row_twice_and_its_label_stays_whatever_the_model_says(name, pool):
    selector = method(name).self_training.selector
    first = selector(pool, generator=generator())
    after = another_mind(pool, first)
    second = selector(after, generator=generator())
    old, now = labels(first), labels(second)
    new = now.keys() - old.keys()
    assert all(now[row] == old[row] != int(after.pseudo_label[row]) for row in now.keys() - new)
    assert all(now[row] == int(after.pseudo_label[row]) for row in new)
    third = labels(selector(another_mind(after, first, second), generator=generator()))
    earlier = old | now
    assert len(third.keys() - earlier.keys()) == len(third.keys() & earlier.keys()) > 0
    assert all(earlier[row] == third[row] for row in third.keys() & earlier.keys())


def test_sl_takes_as_many_rows_of_every_class_in_every_language(pool):
    first = method("sl-leu").self_training.selector(pool, generator=generator())
    cells = [(int(pool.language[row]), label) for row, label in labels(first).items()]
    assert {cells.count(cell) for cell in cells} == {int(60 * 0.08)}
    assert len(set(cells)) == 2 * 3


def test_frozen_labels_are_those_of_the_files_of_a_run(setting, tmp_path):
    recipe = {"conlst": 1, "name": "sl", "extends": [str(setting), "methods/sl-leu"]}
    edits = ["self_training.iterations=3", "source.epochs=12"]
    conlst.run(recipe, out=tmp_path / "run", edits=edits)
    given = {}
    for iteration in (1, 2, 3):
        file = tmp_path / f"run/pseudo_labels/self_training-{iteration}.parquet"
        table = pq.read_table(file).to_pylist()
        taken = {(r["language"], r["id"]): r["label"] for r in table if r["selected"]}
        assert all(given.get(row, label) == label for row, label in taken.items())
        new = taken.keys() - given.keys()
        assert len(new) > 0
        assert len(taken) == len(new) + min(len(new), len(given))
        given |= taken


def test_sl_leu_and_sl_evi_read_their_uncertainty_off_in_all_stages_alike():
    for name, loss in (("sl-leu", "leu"), ("sl-evi", "evidential")):
        loop = method(name).self_training
        assert method(name).source.loss == loop.loss == loop.source_loss
        assert loop.loss.name == loss
    assert method("sl-evi").self_training.selector.score == "dissonance"


def test_sl_lou_needs_languages_to_weigh(setting):
    with pytest.raises(BadInput, match="several adapted languages in one model"):
        method("sl-lou", setting, ["data.targets.fr.unlabelled=null"])


def test_cltp_keeps_unsure_rows_with_their_two_likeliest_classes(pool):
    loop = method("cltp").self_training
    selection = loop.selector(pool, generator=generator())
    candidates_K = (selection.target_KC > 0).sum(1)
    assert len(selection.index) == len(pool)
    assert candidates_K.unique().tolist() == [1, 2]
    partial = candidates_K == 2
    least_K = pool.probs_NC[selection.index[partial]].argmin(1, keepdim=True)
    assert (selection.target_KC[partial].gather(1, least_K) == 0).all()
    logits = pool.logits_NC[selection.index[partial]].clone().requires_grad_()
    loop.loss(LossInput(logits, target=selection.target_KC[partial])).sum().backward()
    assert (logits.grad.gather(1, least_K) > 0).all()  # a step lowers what is no candidate


def test_dong_trains_the_pretrained_model_anew_on_all_rows_as_the_source_stage_does(
    setting, tiny_encoder, tmp_path, monkeypatch
):
    began, train = [], steps.self_training.train

    def watched(stage, model, *others):
        began.append({name: value.clone() for name, value in model.network.state_dict().items()})
        return train(stage, model, *others)

    monkeypatch.setattr(steps.self_training, "train", watched)
    recipe = {"conlst": 1, "name": "d", "extends": [str(setting), "methods/balanced-self-training"]}
    edits = [
        "source.epochs=2",
        "self_training.iterations=2",
        "self_training.selector.count=1",
        "data.targets.fr.unlabelled=null",
    ]
    folder = conlst.run(recipe, out=tmp_path / "run", edits=edits).folder
    pretrained = load_file(tiny_encoder / "model.safetensors")
    assert all(torch.equal(began[0][f"bert.{name}"], pretrained[name]) for name in pretrained)
    assert all(torch.equal(began[0][name], began[1][name]) for name in began[0])
    selected = []
    for iteration in (1, 2):
        place = f"sw/self_training-{iteration}"
        table = pq.read_table(folder / f"pseudo_labels/{place}.parquet").to_pylist()
        selected.append({row["id"]: row["label"] for row in table if row["selected"]})
        record = json.loads((folder / f"checkpoints/{place}/record.json").read_text())
        assert record["steps"] == 2 * math.ceil((24 + len(selected[-1])) / 8)
    assert selected[0].items() < selected[1].items()


def test_dong_takes_the_forty_surest_of_every_class_and_keeps_them(pool):
    edits = ["self_training.selector.count=7"]
    selector = method("balanced-self-training", edits=edits).self_training.selector
    assert method("balanced-self-training").self_training.selector.count == 40
    alone = replace(pool, language=torch.zeros_like(pool.language))
    first = selector(alone, generator=generator())
    second = selector(another_mind(alone, first), generator=generator())
    assert sorted(labels(first).values()) == 7 * [0] + 7 * [1] + 7 * [2]
    assert labels(first).items() < labels(second).items()


def clusters(wrong):
    """Two tight clusters of thirty rows; `wrong` rows of each are taken for the other."""
    cluster = torch.arange(60) % 2
    taken_for = torch.where(torch.arange(60) < 2 * wrong, 1 - cluster, cluster)
    features = torch.eye(2)[cluster] + 0.01 * torch.randn(60, 2, generator=generator())
    probs = 0.02 + 0.96 * torch.eye(2)[taken_for]
    source = SourceView(torch.eye(2)[cluster[:20]], features[:20], cluster[:20])
    return pool_of(probs, features_ND=features, source=source)


def test_gui_drops_sure_rows_whose_neighbours_say_otherwise():
    edits = ["self_training.selector.selectors.0.ratio=1.0"]
    selector = method("negative-transfer", edits=edits).self_training.selector
    assert selector(clusters(2), generator=generator()).index.tolist() == list(range(4, 60))


def test_gui_stops_and_goes_back_when_the_bound_of_the_error_rises():
    stop = method("negative-transfer").self_training.stop
    values = []
    for many, wrong in ((20, 0), (40, 0), (60, 12)):
        pool = clusters(wrong)
        chosen = Selection(torch.arange(many), pool.probs_NC[:many].round(), torch.ones(many))
        values.append(stop(replace(pool, history=(chosen,)), before=None, source_accuracy=0.9))
    assert verdict(stop, values[:2]) == "go on"
    assert verdict(stop, values) == "roll back"


def test_uda_wants_of_the_view_what_it_is_sure_of_in_the_text_and_lets_labels_in_slowly():
    loop = method("uda").self_training
    clean = torch.tensor([[4.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    view = torch.zeros(2, 3, requires_grad=True)
    loop.loss(LossInput(view, clean_logits=clean)).sum().backward()
    assert view.grad[0, 0] < 0 < view.grad[0, 1]
    assert view.grad[1].tolist() == [0, 0, 0]
    target = torch.eye(3)[[0, 1]]  # the first is learnt already, the second is not
    early, late = (
        loop.source_loss(LossInput(clean, target=target, progress=t)) for t in (0.0, 1.0)
    )
    assert (early > 0).tolist() == [False, True]
    assert (late > 0).tolist() == [True, True]
    assert (loop.mode, loop.iterations) == ("online", 1)


def test_mixmatch_sharpens_every_label_and_mixes_with_target_and_source(pool):
    loop = method("mixmatch").self_training
    selection = loop.selector(pool, generator=generator())
    assert len(selection.index) == len(pool)
    assert (selection.target_KC.amax(1) > pool.confidence).all()
    assert (selection.target_KC.amax(1) < 1).all()
    branches = loop.augment.branches(64, generator=generator())
    assert sorted(origin for rows, _ in branches for origin in rows.tolist()) == list(range(64))
    assert {mixup.partner for _, (mixup,) in branches} == {"target", "source"}
    source = Points(torch.full((4, 2), 9.0), torch.eye(3)[[2] * 4], torch.zeros(4))
    own = Points(torch.zeros(4, 2), torch.eye(3)[[0] * 4], torch.zeros(4), source=source)
    for _, (mixup,) in branches:
        mixed = mixup.features(own, generator=generator())
        of_source = mixed.target_BC[:, 2]
        assert torch.allclose(mixed.values, 9 * of_source[:, None].expand(4, 2))
        assert (of_source <= 0.5).all()  # the row itself outweighs its partner
        assert bool((of_source > 0).any()) == (mixup.partner == "source")


def test_the_two_plain_self_trainings_differ_in_the_selector_alone():
    fixed, flexmatch = (
        method(f"self-training-{name}").self_training.model_dump()
        for name in ("fixed", "flexmatch")
    )
    assert [key for key in fixed if fixed[key] != flexmatch[key]] == ["selector"]
    assert flexmatch == method("conlst").self_training.model_dump()
    assert method("self-training-fixed").contrastive is None
