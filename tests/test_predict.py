"""The pseudo-label pass: the same rows in float32 and bf16, on the packaged encoder, trained."""

import functools

import pytest
import torch

from conlst.arrays import Rows
from conlst.losses import Evidential
from conlst.model import load
from conlst.predict import label, stochastic_passes
from conlst.progress import Progress
from conlst.recipe import Model
from tests.conftest import MINI, TOPICS, excerpt

BF16 = functools.partial(torch.autocast, "cpu", torch.bfloat16)


@pytest.fixture(scope="module")
def trained():
    """The packaged encoder after a few steps on labelled sentences."""
    rows = excerpt("source.en", 96)
    torch.manual_seed(0)
    model = load(Model(name=str(MINI), max_length=48), TOPICS)
    N = len(rows)
    tokens = model.tokenise(Rows([r[0] for r in rows], [r[1] for r in rows], None, ["en"] * N))
    gold = torch.tensor([TOPICS.index(row[2]) for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    model.train()
    for batch in torch.arange(N).split(16) * 2:
        loss = torch.nn.functional.cross_entropy(model.encode(tokens, batch).logits, gold[batch])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@pytest.fixture(scope="module")
def pool(trained):
    texts = [row[1] for code in ("en", "fr", "sw") for row in excerpt(f"pool.{code}", 100)]
    return trained.tokenise(Rows([""] * len(texts), texts, None, ["en"] * len(texts)))


def labels(model, tokens, autocast=None):
    before = model.autocast
    model.autocast = autocast or before
    out = label(model, tokens, Progress(), "")
    model.autocast = before
    return out


def test_bf16_labels_are_those_of_float32(trained, pool):
    plain, short = labels(trained, pool), labels(trained, pool, BF16)
    assert plain.probs_NC.argmax(1).bincount(minlength=3).min() > 20  # it learnt to tell them apart
    same = plain.probs_NC.argmax(1) == short.probs_NC.argmax(1)
    assert same.double().mean() >= 0.995
    assert (plain.probs_NC - short.probs_NC).abs().max() < 0.02
    assert not torch.equal(plain.probs_NC, short.probs_NC)
    for value in (short.logits_NC, short.probs_NC, short.features_ND):
        assert value.dtype == torch.float32


def test_logits_in_bf16_are_not_rounded_to_bf16(trained, pool):
    """Confidences are ranked: a grid of a few hundred values would make ties of them."""
    said = labels(trained, pool, BF16).logits_NC
    assert not torch.equal(said, said.bfloat16().float())
    assert len(said[:, 0].unique()) > 0.95 * len(said)


def test_a_pass_computes_tokens_only_and_in_any_budget_the_same(trained, pool):
    trained.take_counts()
    whole = labels(trained, pool)
    assert trained.take_counts() == (len(pool.ids), len(pool.ids))
    parts = [labels(trained, pool.take(rows)) for rows in torch.arange(len(pool)).split(17)]
    for name in ("logits_NC", "probs_NC", "features_ND"):
        cut = torch.cat([getattr(part, name) for part in parts])
        assert torch.allclose(getattr(whole, name), cut, atol=1e-5)


def test_no_rows_at_all(trained, pool):
    none = labels(trained, pool.take(torch.arange(0)))
    assert none.probs_NC.shape == (0, 3)


def test_passes_with_dropout_differ_and_are_drawn_by_the_generator(trained, pool):
    some = pool.take(torch.arange(12))

    def passes(seed):
        trained.autocast, before = BF16, trained.autocast
        g = torch.Generator().manual_seed(seed)
        out = stochastic_passes(trained, some, 3, Progress(), "", generator=g)
        trained.autocast = before
        return out

    first = passes(0)
    assert torch.equal(first, passes(0))
    assert not torch.allclose(first, passes(1))
    assert not torch.allclose(first[0], first[1])
    assert not trained.training


def test_a_loss_that_reads_logits_otherwise_is_asked(trained, pool):
    some = pool.take(torch.arange(12))
    trained.readout = Evidential()
    try:
        said = labels(trained, some, BF16)
    finally:
        trained.readout = None
    expected = Evidential().probabilities(said.logits_NC, said.features_ND)
    assert torch.allclose(said.probs_NC, expected)
    assert not torch.allclose(said.probs_NC, said.logits_NC.softmax(1))
