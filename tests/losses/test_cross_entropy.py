import math
from dataclasses import replace

import pytest
import torch

from conlst.arrays import LossInput
from conlst.losses import CrossEntropy
from conlst.testing import check, random_loss_input


@pytest.mark.oracle("losses.cross_entropy")
@pytest.mark.parametrize("on", ["view", "clean"])
def test_it_agrees_with_a_slow_loop(on):
    x = random_loss_input(7, 4)
    target = torch.rand(7, 4).softmax(1)
    loss = CrossEntropy(on=on)(replace(x, target=target))
    logits = {"view": x.logits, "clean": x.clean_logits}[on]
    for b, (z, y) in enumerate(zip(logits.tolist(), target.tolist(), strict=True)):
        total = sum(map(math.exp, z))
        slow = -sum(y[c] * math.log(math.exp(z[c]) / total) for c in range(4))
        assert loss[b].item() == pytest.approx(slow, rel=1e-5)


@pytest.mark.parametrize("on", ["view", "clean"])
def test_it_keeps_the_contract(on):
    check(CrossEntropy(on=on))


def test_it_is_torchs_cross_entropy_for_hard_labels():
    x = random_loss_input()
    torchs = torch.nn.functional.cross_entropy(x.logits, x.target.argmax(1), reduction="none")
    assert torch.allclose(CrossEntropy()(x), torchs)


def test_extreme_logits_stay_finite():
    x = LossInput(torch.tensor([[1e4, -1e4]]), target=torch.tensor([[0.0, 1.0]]))
    assert CrossEntropy()(x).item() == pytest.approx(2e4)


def test_only_the_clean_row_needs_to_be_encoded_beside_the_view():
    assert CrossEntropy().all_needs() == {"target"}
    assert CrossEntropy(on="clean").all_needs() == {"target", "clean"}


@pytest.mark.parametrize("on", ["view", "clean"])
def test_on_one_of_the_two_the_other_gets_no_gradient(on):
    x = random_loss_input()
    view, clean = x.logits.requires_grad_(), x.clean_logits.requires_grad_()
    CrossEntropy(on=on)(x).sum().backward()
    assert [view.grad is None, clean.grad is None] == [on == "clean", on == "view"]


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="needs target"):
        CrossEntropy()(LossInput(torch.zeros(1, 2)))


def test_no_clean_logits_are_refused_where_they_are_asked_for():
    x = replace(random_loss_input(), clean_logits=None)
    assert CrossEntropy()(x).shape == (6,)
    with pytest.raises(ValueError, match=r"needs target.* and clean_logits"):
        CrossEntropy(on="clean")(x)
