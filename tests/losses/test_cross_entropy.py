import math

import pytest
import torch

from conlst.arrays import LossInput
from conlst.losses import CrossEntropy
from conlst.testing import random_loss_input


def test_it_agrees_with_a_slow_loop():
    x = random_loss_input(7, 4)
    target = torch.rand(7, 4).softmax(1)
    loss = CrossEntropy()(LossInput(x.logits, target=target))
    for b, (z, y) in enumerate(zip(x.logits.tolist(), target.tolist(), strict=True)):
        total = sum(map(math.exp, z))
        slow = -sum(y[c] * math.log(math.exp(z[c]) / total) for c in range(4))
        assert loss[b].item() == pytest.approx(slow, rel=1e-5)


def test_it_is_torchs_cross_entropy_for_hard_labels():
    x = random_loss_input()
    torchs = torch.nn.functional.cross_entropy(x.logits, x.target.argmax(1), reduction="none")
    assert torch.allclose(CrossEntropy()(x), torchs)


def test_extreme_logits_stay_finite():
    x = LossInput(torch.tensor([[1e4, -1e4]]), target=torch.tensor([[0.0, 1.0]]))
    assert CrossEntropy()(x).item() == pytest.approx(2e4)


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="needs target"):
        CrossEntropy()(LossInput(torch.zeros(1, 2)))
