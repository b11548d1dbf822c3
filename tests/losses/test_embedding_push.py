from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.losses import EmbeddingPush
from conlst.testing import check, random_loss_input


@pytest.mark.oracle("losses.embedding_push")
@pytest.mark.parametrize("cap", [None, 0.5, 2.0])
@pytest.mark.parametrize("D", [1, 5])
def test_it_agrees_with_a_slow_loop(D, cap):
    x = random_loss_input(20, D=D, seed=D)
    expected = []
    for clean, view in zip(x.clean_embedding.tolist(), x.embedding.tolist(), strict=True):
        apart = sum((a - b) ** 2 for a, b in zip(clean, view, strict=True)) / D
        expected.append(-apart if cap is None else -min(apart, cap))
    assert EmbeddingPush(cap=cap)(x).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cap", [None, 2.0])
def test_it_keeps_the_contract(cap):
    check(EmbeddingPush(cap=cap))


def test_it_pushes_apart_and_for_ever_without_a_cap():
    x = random_loss_input()
    for cap, bounded in ((1.0, True), (None, False)):
        view = x.clean_embedding.add(0.1).requires_grad_()
        optimiser = torch.optim.SGD([view], lr=1.0)
        for _ in range(30):
            optimiser.zero_grad()
            loss = EmbeddingPush(cap=cap)(replace(x, embedding=view))
            loss.sum().backward()
            optimiser.step()
        assert loss.max() < -0.9
        assert (loss.min() >= -1) == bounded


def test_a_row_beyond_the_cap_gets_no_gradient():
    x = random_loss_input(2)
    view = torch.stack([x.clean_embedding[0] + 3, x.clean_embedding[1] + 0.1]).requires_grad_()
    EmbeddingPush(cap=1.0)(replace(x, embedding=view)).sum().backward()
    assert view.grad[0].abs().sum() == 0 < view.grad[1].abs().sum()


@pytest.mark.parametrize("gone", ["embedding", "clean_embedding"])
def test_what_is_missing_is_refused(gone):
    with pytest.raises(ValueError, match="embedding_push needs embedding and clean_embedding"):
        EmbeddingPush()(replace(random_loss_input(), **{gone: None}))


def test_a_cap_of_zero_is_refused():
    with pytest.raises(ValidationError, match="cap"):
        EmbeddingPush(cap=0)
