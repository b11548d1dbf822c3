from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.losses import AttentionPull
from conlst.testing import check_loss, check_strategy, random_loss_input


@pytest.mark.oracle("losses.attention_pull")
@pytest.mark.parametrize("layer", [0, 5])
def test_it_agrees_with_a_slow_loop(layer):
    x = random_loss_input(7, seed=layer, layer=layer)
    clean, view = x.clean_attention[layer].tolist(), x.attention[layer].tolist()
    expected = []
    for b in range(7):
        squares = [
            (clean[b][h][i][j] - view[b][h][i][j]) ** 2
            for h in range(2)
            for i in range(4)
            for j in range(4)
        ]
        expected.append(sum(squares) / (2 * 4 * 4))
    assert AttentionPull(layer=layer)(x).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("layer", [0, 5])
def test_it_keeps_the_contract(layer):
    x = random_loss_input(layer=layer)
    leaf = x.attention[layer].requires_grad_()
    check_strategy(AttentionPull(layer=layer))
    check_loss(AttentionPull(layer=layer), replace(x, attention={layer: leaf}))


def test_it_pulls_both_attentions_together():
    x = random_loss_input(layer=5)
    view, clean = x.attention[5].requires_grad_(), x.clean_attention[5].requires_grad_()
    AttentionPull()(x).sum().backward()
    assert torch.allclose(view.grad, -clean.grad)
    assert torch.equal(view.grad.sign(), (view - clean).detach().sign())


def test_equal_attention_costs_nothing():
    x = random_loss_input(layer=5)
    assert AttentionPull()(replace(x, attention=x.clean_attention)).tolist() == [0] * 6


def test_padding_adds_nothing_to_the_sum():
    x = random_loss_input(layer=5)

    def padded(attention):
        return {5: torch.nn.functional.pad(attention[5], (0, 4, 0, 4))}

    longer = replace(x, attention=padded(x.attention), clean_attention=padded(x.clean_attention))
    assert torch.allclose(AttentionPull()(longer) * 8**2, AttentionPull()(x) * 4**2)


def test_only_its_own_layer_is_looked_at():
    x = random_loss_input(layer=5)
    other = {3: torch.zeros(6, 2, 4, 4)} | x.attention
    assert torch.equal(AttentionPull()(replace(x, attention=other)), AttentionPull()(x))


def test_a_layer_that_is_missing_is_refused_by_its_number():
    with pytest.raises(ValueError, match=r"of layer 5.*given: \[2\]"):
        AttentionPull()(random_loss_input(layer=2))


def test_a_negative_layer_is_refused():
    with pytest.raises(ValidationError, match="layer"):
        AttentionPull(layer=-1)
