"""Stage 1: what is encoded, what is shared, and where the gradient goes."""

import warnings
from dataclasses import replace

import pytest
import torch

from conlst.arrays import Rows
from conlst.errors import ConlstWarning
from conlst.model import load
from conlst.predict import label
from conlst.progress import Progress
from conlst.recipe import ContrastiveStage, Model
from conlst.stages import contrastive, encoded
from conlst.stages.material import Source, target_of
from conlst.train import Tools, accelerator, generator_for
from tests.conftest import TOPICS, excerpt

pytestmark = pytest.mark.filterwarnings("ignore:fewer than K")  # the pool is tiny


def opinionated(folder):
    """An untrained model, its last layer centred and scaled: it predicts every class."""
    torch.manual_seed(0)
    model = load(Model(name=str(folder), max_length=24), TOPICS)
    tokens = model.tokenise(rows_of("pool.fr", 20, "fr")[0])
    mean = label(model, tokens, Progress(), "").features_ND.mean(0)
    with torch.no_grad():
        model.output.weight *= 1000
        model.output.bias.copy_(-model.output.weight @ mean)
    return model


@pytest.fixture
def model(tiny_encoder):
    return opinionated(tiny_encoder)


def rows_of(name, n, language):
    cells = excerpt(name, n)
    return Rows([c[0] for c in cells], [c[1] for c in cells], None, [language] * len(cells)), cells


@pytest.fixture
def target(model):
    rows, _ = rows_of("pool.fr", 20, "fr")
    return target_of(rows, model.tokenise(rows), ("en", "fr"))


@pytest.fixture
def source(model):
    rows, cells = rows_of("source.en", 24, "en")
    gold = torch.tensor([TOPICS.index(c[2]) for c in cells])
    return Source(rows, model.tokenise(rows), gold, tuple(TOPICS), torch.zeros_like(gold))


@pytest.fixture
def pool(model, target):
    pool = target.pool(tuple(TOPICS), label(model, target.tokens, Progress(), ""))
    assert pool.pseudo_label.unique().tolist() == [0, 1, 2]
    return pool


def tools(seed=0):
    return Tools(accelerator("fp32"), generator_for(seed, "test"), Progress())


def stage(**changes):
    confident = {"type": "fixed", "threshold": 0.34}
    return ContrastiveStage.model_validate(
        {"confident": confident, "batch_size": 8, "learning_rate": 1e-3, **changes}
    )


def test_the_gradient_reaches_the_negatives(model, target, pool):
    """A token that occurs in a negative alone gets a gradient in the embedding matrix."""
    anchors, negatives = torch.tensor([0, 1]), torch.tensor([[2, 3], [3, 4]])
    spans = [
        target.tokens.ids[target.tokens.offsets[i] : target.tokens.offsets[i + 1]] for i in range(5)
    ]
    of_anchors = set(torch.cat(spans[:2]).tolist())
    only_negative = sorted(set(torch.cat(spans[2:]).tolist()) - of_anchors)
    assert only_negative
    complement = torch.tensor([[True, False, False], [False, True, False]])
    x = encoded.compared(stage(), model, target, pool, anchors, complement, negatives)
    stage().loss(x).sum().backward()
    gradient = model.network.get_input_embeddings().weight.grad
    assert (gradient[only_negative].abs().sum(1) > 0).all()


def test_negatives_are_encoded_once_and_each_anchor_knows_its_own(model, target, pool):
    rows_BK = torch.tensor([[3, 7], [7, -1], [-1, -1]])
    complement = torch.eye(3).bool()
    model.eval()
    model.take_counts()
    x = encoded.compared(stage(), model, target, pool, torch.tensor([0, 1, 2]), complement, rows_BK)
    assert model.take_counts()[0] == int(target.tokens.lengths[[0, 1, 2, 0, 1, 2, 3, 7]].sum())
    assert x.negative_mask.tolist() == [[True, True], [False, True], [False, False]]
    alone = model.project(model.encode(target.tokens, torch.tensor([7])).features)
    assert torch.allclose(x.negatives[1], alone[0], atol=1e-5)


def test_no_negative_at_all_is_no_loss_and_no_nan(model, target, pool):
    nobody, complement = torch.full((1, 4), -1), torch.eye(3)[:1].bool()
    x = encoded.compared(stage(), model, target, pool, torch.tensor([0]), complement, nobody)
    loss = stage().loss(x)
    loss.sum().backward()
    assert loss.tolist() == [0.0]
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_the_two_views_are_the_same_texts_under_other_dropout(model, target, pool):
    complement = torch.eye(3)[[0, 1]].bool()
    model.train()
    x = encoded.compared(stage(), model, target, pool, torch.tensor([4, 5]), complement)
    assert not torch.allclose(x.anchor, x.positive)
    model.eval()
    x = encoded.compared(stage(), model, target, pool, torch.tensor([4, 5]), complement)
    assert torch.allclose(x.anchor, x.positive, atol=1e-6)


def test_the_stage_moves_encoder_head_and_classifier(model, source, target, pool):
    before = {name: p.clone() for name, p in model.named_parameters()}
    contrastive.train(stage(), model, source, target, pool, tools())
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {"contrastive.weight", "network.classifier.weight"} <= moved
    assert any("layer.0.attention" in name for name in moved)


def test_without_source_loss_the_classifier_stays(model, source, target, pool):
    before = model.output.weight.clone()
    contrastive.train(
        stage(source_loss=None, weight_decay=0.0), model, source, target, pool, tools()
    )
    assert torch.equal(model.output.weight, before)


def test_a_seed_repeats_the_stage_and_another_does_not(tiny_encoder, source, target):
    def weights(seed):
        model = opinionated(tiny_encoder)
        pool = target.pool(tuple(TOPICS), label(model, target.tokens, Progress(), ""))
        contrastive.train(stage(), model, source, target, pool, tools(seed))
        return model.contrastive.weight.detach().clone()

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_anchors_are_drawn_a_new_complement_at_every_step(model, source, target, pool, monkeypatch):
    drawn = []
    kept = encoded.compared

    def watch(stage, model, target, pool, rows, complement, *negatives):
        drawn.extend(zip(rows.tolist(), complement.int().argmax(1).tolist(), strict=True))
        return kept(stage, model, target, pool, rows, complement, *negatives)

    monkeypatch.setattr(contrastive, "compared", watch)
    everybody = stage(epochs=8, confident={"type": "fixed", "threshold": 0.01})
    contrastive.train(everybody, model, source, target, pool, tools())
    own = pool.pseudo_label.tolist()
    for row in range(len(pool)):
        labels = {c for r, c in drawn if r == row}
        assert labels == set(range(3)) - {own[row]}  # both others in eight epochs, never its own


def test_the_unsure_are_given_their_least_likely_class(model, source, target, pool):
    unsure = stage(confident={"type": "fixed", "threshold": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConlstWarning)
        out = contrastive.train(unsure, model, source, target, pool, tools())
    assert torch.equal(out.complement_NC.int().argmax(1), pool.probs_NC.argmin(1))
    assert out.complement_NC.sum(1).eq(1).all()


def test_a_class_with_no_confident_sample_is_said(model, source, target, pool):
    logits = torch.zeros(len(pool), 3)
    logits[:10, 0], logits[10:, 1] = 9.0, 9.0
    pool = replace(pool, logits_NC=logits, probs_NC=logits.softmax(1))
    with pytest.warns(ConlstWarning, match="fewer than K = 16 confident rows .* sports"):
        contrastive.train(stage(), model, source, target, pool, tools())


def test_negative_learning_needs_neither_views_nor_negatives(model, source, target, pool):
    plain = stage(loss={"type": "negative"}, negatives=None)
    before = model.contrastive.weight.clone()
    out = contrastive.train(plain, model, source, target, pool, tools())
    assert out.facts["loss"].keys() == {"contrastive", "source"}
    assert torch.equal(model.contrastive.weight * 0 + before, before)


def test_the_curve_is_observed_as_often_as_asked_and_at_the_end(model, source, target, pool):
    steps = []
    out = contrastive.train(stage(curve=2), model, source, target, pool, tools(), steps.append)
    assert len(steps) == 2
    assert steps[-1] == out.facts["steps"]
