import math

import pytest
import torch

from conlst.arrays import LossInput
from conlst.losses import CLCS, Negative
from conlst.testing import random_loss_input


def slow(z, target, complement, sign, label):
    total = sum(map(math.exp, z))
    true = target.index(1)
    classes = {
        "complementary": [k for k in range(len(z)) if complement[k]],
        "true": [true],
        "all_complementary": [k for k in range(len(z)) if k != true],
    }[label]
    loss = -sum(math.log(1 - math.exp(z[k]) / total) for k in classes)
    return loss if sign == "positive" else -loss


@pytest.mark.oracle("losses.clcs")
@pytest.mark.parametrize("sign", ["positive", "printed"])
@pytest.mark.parametrize("label", ["complementary", "true", "all_complementary"])
def test_it_agrees_with_a_slow_loop(sign, label):
    x = random_loss_input(8, 4)
    loss = CLCS(sign=sign, label=label)(x)
    rows = zip(x.logits.tolist(), x.target.tolist(), x.complement.tolist(), strict=True)
    expected = [slow(*row, sign, label) for row in rows]
    assert loss.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_default_is_negative_learning():
    x = random_loss_input()
    assert torch.equal(CLCS()(x), Negative()(x))


def train(loss, steps=300):
    """P(true class) after training one item, its complement drawn anew at every step."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.zeros(1, 3, requires_grad=True)
    target = torch.tensor([[1.0, 0.0, 0.0]])
    for _ in range(steps):
        drawn = torch.multinomial(1 - target, 1, generator=generator)
        complement = torch.zeros(1, 3, dtype=torch.bool).scatter(1, drawn, True)
        value = loss(LossInput(logits, target=target, complement=complement))
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        logits = (logits - 0.3 * gradient).detach().requires_grad_()
    return logits.softmax(1)[0, 0].item(), value.item()


def test_only_two_of_the_four_readings_learn_the_label_and_only_one_is_bounded():
    assert train(CLCS())[0] > 0.95
    assert train(CLCS(label="all_complementary"))[0] > 0.95
    assert train(CLCS(sign="printed"))[0] < 0.05
    assert train(CLCS(label="true"))[0] < 0.05
    p, value = train(CLCS(sign="printed", label="true"))
    assert p > 0.999
    assert math.log(1e-5) - 1e-3 <= value < -8  # falls until the clamp of negative learning


@pytest.mark.parametrize("gone", ["target", "complement"])
def test_what_is_missing_is_refused(gone):
    x = random_loss_input()
    held = {"target": x.target, "complement": x.complement} | {gone: None}
    with pytest.raises(ValueError, match="needs target"):
        CLCS()(LossInput(x.logits, **held))
