"""Negatives in chunks: the same gradients, in bounded memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import conlst
from conlst.stages import chunked, contrastive, encoded
from conlst.stages.chunked import in_chunks
from conlst.train import accelerator
from tests.stages.test_contrastive import (  # noqa: F401  (fixtures)
    model,
    pool,
    source,
    stage,
    target,
    tools,
)

ROOT = Path(conlst.__file__).parents[1]


@pytest.fixture
def small(monkeypatch):
    """Chunks of few rows of the tiny bed."""
    monkeypatch.setattr(chunked, "WHOLE", 60)
    monkeypatch.setattr(chunked, "CHUNK", 60)


def gradients(model, target, pool, *, dropout):
    """Loss and gradients of a step with 14 negatives, and how many tokens it encoded."""
    model.train(dropout)
    model.zero_grad()
    model.take_counts()
    torch.manual_seed(3)
    anchors, negatives = torch.tensor([0, 1]), torch.arange(2, 16).view(2, 7)
    complement = torch.eye(3)[:2].bool()
    x = encoded.compared(stage(), model, target, pool, anchors, complement, negatives)
    # The untrained model tells rows hardly apart: what it learns of each is added.
    each = torch.randn(x.negatives.shape, generator=torch.Generator().manual_seed(0))
    loss = stage().loss(x).mean() + (x.negatives * each).sum() / 50
    loss.backward()
    return (
        float(loss.detach()),
        {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None},
        model.take_counts()[0],
    )


def assert_close(found, expected):
    assert found[0] == pytest.approx(expected[0], abs=1e-6)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        assert (found[1][name] - gradient).abs().max() <= 1e-5, name
    assert max(float(g.abs().max()) for g in expected[1].values()) > 1e-3  # there is something


def at_once(function, *args, use_reentrant):
    """What `checkpoint` would do without forgetting anything."""
    return function(*args)


def test_gradients_are_those_of_one_batch(model, target, pool, request):
    whole = gradients(model, target, pool, dropout=False)
    request.getfixturevalue("small")
    assert_close(gradients(model, target, pool, dropout=False), whole)


def test_negatives_beside_their_anchors_are_those_of_a_call_of_their_own(
    model, target, pool, monkeypatch
):
    """As on a GPU; where they are too many for that, chunks as ever."""
    apart = gradients(model, target, pool, dropout=False)
    monkeypatch.setattr(encoded, "_beside_anchors", chunked.at_once)
    assert_close(gradients(model, target, pool, dropout=False), apart)
    calls = []
    monkeypatch.setattr(encoded, "in_chunks", lambda *args: calls.append(args) or in_chunks(*args))
    gradients(model, target, pool, dropout=False)
    assert not calls
    monkeypatch.setattr(chunked, "WHOLE", 60)
    gradients(model, target, pool, dropout=False)
    assert len(calls) == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_dropout_masks_are_drawn_once(model, target, pool, small, monkeypatch, precision):
    """The second encoding of a chunk is under the masks of the first."""
    model.autocast = accelerator(precision).autocast
    in_pieces = gradients(model, target, pool, dropout=True)
    state = torch.get_rng_state()
    with monkeypatch.context() as kept:
        kept.setattr(chunked, "checkpoint", at_once)
        whole = gradients(model, target, pool, dropout=True)
    assert_close(in_pieces, whole)
    assert torch.equal(torch.get_rng_state(), state)  # what comes after draws the same
    other = gradients(model.eval(), target, pool, dropout=False)
    assert in_pieces[0] != pytest.approx(other[0], abs=1e-4)  # dropout was on


def test_only_what_exceeds_a_chunk_is_encoded_twice(model, target, pool, request):
    once = gradients(model, target, pool, dropout=True)[2]
    request.getfixturevalue("small")
    twice = gradients(model, target, pool, dropout=True)[2]
    assert twice - once == int(target.tokens.lengths[2:16].sum())


def test_chunks_hold_their_tokens_and_rows_keep_their_order(small):
    seen = []

    def encode(rows):
        seen.append(rows.tolist())
        return rows[:, None].float()

    lengths = torch.tensor([40, 10, 10, 90, 20, 30])
    rows = torch.tensor([5, 3, 8, 1, 9, 7])
    h_MD = in_chunks(encode, rows, lengths, torch.device("cpu"))
    assert h_MD.flatten().tolist() == rows.tolist()
    assert seen == [[3, 8, 9], [7, 5], [1]]  # a row is of the chunk in which it ends
    assert in_chunks(encode, rows[:1], lengths[:1], torch.device("cpu")).tolist() == [[5.0]]


def test_without_gradient_nothing_is_encoded_twice(model, target, small):
    def encode(rows):
        return model.encode(target.tokens, rows).features

    rows = torch.arange(10)
    model.eval().take_counts()
    with torch.no_grad():
        h_MD = in_chunks(encode, rows, target.tokens.lengths[:10], torch.device("cpu"))
        assert not h_MD.requires_grad
        tokens = model.take_counts()[0]
        assert torch.allclose(h_MD, encode(rows), atol=1e-5)
    assert tokens == int(target.tokens.lengths[:10].sum())


@pytest.mark.filterwarnings("ignore:fewer than K")
def test_a_whole_stage_learns_in_chunks(model, source, target, pool, small):
    everybody = stage(confident={"type": "fixed", "threshold": 0.01}, epochs=1)
    out = contrastive.train(everybody, model, source, target, pool, tools())
    assert out.facts["loss"]["contrastive"] > 0


PEAK = """
import resource, sys, torch
from pathlib import Path
import conlst
from conlst.arrays import Pool, Tokens
from conlst.model import load
from conlst.recipe import ContrastiveStage, Model
from conlst.stages import encoded
from conlst.stages.material import Target

B, K = 32, int(sys.argv[1])
N = B * (K + 1)
torch.set_num_threads(1)
mini = Path(conlst.__file__).parent / "embedded" / "mini"
model = load(Model(name=str(mini), max_length=64), ["a", "b", "c"]).train()
g = torch.Generator().manual_seed(0)
offsets = torch.cat([torch.zeros(1, dtype=torch.int64), torch.full((N,), 20).cumsum(0)])
ids = torch.randint(1000, 20000, (int(offsets[-1]),), generator=g, dtype=torch.int32)
zeros, rows, probs = torch.zeros(N, dtype=torch.int64), torch.arange(N), torch.full((N, 3), 1 / 3)
target = Target(None, Tokens(ids, None, offsets), ("en",), zeros, rows)
pool = Pool(("a", "b", "c"), range(N), ("en",), zeros, rows, probs.log(), probs, probs)
stage = ContrastiveStage.model_validate({"confident": {"type": "fixed", "threshold": 0.5}})
complement, drawn = torch.eye(3)[rows[:B] % 3].bool(), rows[B:].view(B, K)
x = encoded.compared(stage, model, target, pool, rows[:B], complement, drawn)
stage.loss(x).mean().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_four_thousand_negatives_take_the_memory_of_a_hundred():
    """B * K = 4096 within 1.3 times the peak of B * K = 128, on the packaged encoder."""

    def peak(K):
        where = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(K)], env=where, capture_output=True, check=True
        )
        return int(done.stdout)

    assert peak(128) <= 1.3 * peak(4)
