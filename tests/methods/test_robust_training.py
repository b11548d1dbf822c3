"""Rivals of stage 0: source rows that are perturbed, and what is held fast meanwhile."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from conlst.arrays import LossInput, Points, Rows
from conlst.augment.words import key
from conlst.model import load
from conlst.recipe import Model
from conlst.stages import source as stage_0
from conlst.stages.material import Source
from conlst.stages.views import strong_views
from tests.conftest import EMBEDDED, TOPICS
from tests.methods.conftest import generator, method
from tests.stages.test_contrastive import rows_of, tools

SYNONYMS = EMBEDDED / "synonyms/en.json.gz"


def test_rs_da_puts_three_texts_of_synonyms_in_the_place_of_each_row():
    near = json.loads(gzip.decompress(SYNONYMS.read_bytes()))
    augment = method("rs-da").source.augment
    assert Path(augment.path) == SYNONYMS
    texts = ["The movie was a good one.", "He did not say it."]
    rows = Rows(["1", "2"], texts, None, ["en", "en"])
    made, origin = augment.rows(rows, generator=generator())
    assert origin.tolist() == [0, 0, 0, 1, 1, 1]
    assert any(text not in texts for text in made.texts)
    for text, row in zip(made.texts, origin.tolist(), strict=True):
        for word, old in zip(text.rstrip(".").split(), texts[row].rstrip(".").split(), strict=True):
            assert key(word) in {key(other) for other in (old, *near.get(key(old), []))}


def test_rs_rp_moves_every_embedding_within_a_ball_and_r3f_next_to_nothing():
    points = Points(torch.zeros(2, 6, 8, requires_grad=True), torch.eye(2), torch.zeros(2))
    ball = method("rs-rp").source.augment.states(points, generator=generator())
    assert 0.05 < ball.values.norm(dim=2).mean() < ball.values.norm(dim=2).max() <= 0.1
    assert ball.values.requires_grad
    r3f = method("r3f").source.augment.states(points, generator=generator())
    assert 0 < r3f.values.abs().max() <= 1e-5
    assert not r3f.values.requires_grad  # the noised pass does not teach the embedding matrix


def test_r3f_learns_from_the_clean_row_and_from_how_far_the_noised_one_is():
    loss, target = method("r3f").source.loss, torch.eye(3)[[0]]
    clean = torch.tensor([[1.0, 0.0, 0.0]])
    same, moved = (
        loss(LossInput(noised, target=target, clean_logits=clean))
        for noised in (clean, torch.tensor([[-1.0, 0.0, 0.0]]))
    )
    assert torch.allclose(same, torch.nn.functional.cross_entropy(clean, target))
    assert moved > same


def trained(folder, weights):
    """What EPT-APT looks at, after training with these weights of its four terms."""
    recipe = method("ept-apt", edits=["source.loss.losses.3.layer=1", "source.batch_size=8"])
    stage = recipe.source.model_copy(update={"epochs": 2, "learning_rate": 2e-3})
    stage = stage.model_copy(update={"loss": stage.loss.model_copy(update={"weights": weights})})
    torch.manual_seed(0)
    model = load(Model(name=str(folder), max_length=24), TOPICS)
    rows, cells = rows_of("source.en", 24, "en")
    gold = torch.tensor([TOPICS.index(cell[2]) for cell in cells])
    source = Source(rows, model.tokenise(rows), gold, tuple(TOPICS), torch.zeros_like(gold))
    stage_0.train(stage, model, source, tools())
    batch = source.batch(torch.arange(24))
    with torch.no_grad():
        return strong_views(stage.augment, model, batch, stage.loss, generator=generator())[1]


def test_ept_apt_pushes_embeddings_apart_and_pulls_attention_together(tiny_encoder):
    assert method("ept-apt").source.loss.weights == [1.0, 0.1, 1.0, 1.0]
    assert method("ept-apt").source.augment == method("rs-da").source.augment

    def distances(x):
        apart = (x.embedding - x.clean_embedding).square().mean()
        return float(apart), float((x.attention[1] - x.clean_attention[1]).square().mean())

    plain = distances(trained(tiny_encoder, [1.0, 0.0, 1.0, 0.0]))
    pushed = distances(trained(tiny_encoder, [1.0, 0.1, 1.0, 0.0]))
    pulled = distances(trained(tiny_encoder, [1.0, 0.0, 1.0, 1.0]))
    assert pushed[0] > plain[0]
    assert pulled[1] < plain[1]


def test_conlst_rs_is_conlst_after_rs_da():
    mine, conlst = method("conlst-rs"), method("conlst")
    assert mine.source == method("rs-da").source
    assert (mine.contrastive, mine.self_training) == (conlst.contrastive, conlst.self_training)


@pytest.mark.parametrize("name", ["rs-da", "rs-rp", "r3f", "ept-apt"])
def test_robust_training_is_all_there_is(name):
    assert method(name).contrastive is method(name).self_training is None
