import math

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import LossInput
from conlst.losses import PartialLabel
from conlst.testing import check
from tests.losses.slow import softmax


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def slow(z, candidates, w0, w):
    p = softmax(z)
    inside = [k for k in range(len(z)) if k in candidates]
    outside = [k for k in range(len(z)) if k not in candidates]
    loss = 0.0
    for k in inside:
        loss += w0 * p[k] / sum(p[j] for j in inside) * sigmoid(-z[k])
    for k in outside:
        loss += w * p[k] / sum(p[j] for j in outside) * sigmoid(z[k])
    return loss


@pytest.mark.oracle("losses.partial_label")
@pytest.mark.parametrize(("w0", "w"), [(1.0, 1.0), (0.5, 2.0), (0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(C, w0, w):
    generator = torch.Generator().manual_seed(C)
    logits = 3 * torch.randn(40, C, generator=generator)
    chosen = torch.rand(40, C, generator=generator) < 0.5
    chosen[:, 0] |= ~chosen.any(1)
    target = chosen / chosen.sum(1, keepdim=True)
    loss = PartialLabel(w0=w0, w=w)(LossInput(logits, target=target))
    rows = zip(logits.double().tolist(), chosen.tolist(), strict=True)
    expected = [slow(z, {k for k in range(C) if s[k]}, w0, w) for z, s in rows]
    assert loss.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("loss", [PartialLabel(), PartialLabel(w0=0.5, w=0.0)], ids=repr)
def test_it_keeps_the_contract(loss):
    check(loss)


def test_how_much_a_candidate_gets_in_the_target_does_not_matter():
    logits = torch.randn(1, 3)
    even, uneven = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[0.9, 0.1, 0.0]])
    first, second = (PartialLabel()(LossInput(logits, target=y)) for y in (even, uneven))
    assert torch.equal(first, second)


def test_every_class_a_candidate_leaves_the_other_side_empty_and_not_nan():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = PartialLabel(w0=0.0)(LossInput(logits, target=torch.full((2, 3), 1 / 3)))
    loss.sum().backward()
    assert loss.tolist() == [0, 0]
    assert logits.grad.abs().sum() == 0


def test_the_confidences_have_no_gradient():
    # d L / d z_k = - c_k s(z_k) s(-z_k) for a candidate, and + for the others
    z = [1.0, 0.5, -0.5]
    logits = torch.tensor([z], dtype=torch.float64, requires_grad=True)
    PartialLabel()(LossInput(logits, target=torch.tensor([[0.5, 0.5, 0.0]]))).backward()
    p = softmax(z)
    c = [p[0] / (p[0] + p[1]), p[1] / (p[0] + p[1]), 1.0]
    slope = [c[k] * sigmoid(z[k]) * sigmoid(-z[k]) for k in range(3)]
    assert logits.grad[0].tolist() == pytest.approx([-slope[0], -slope[1], slope[2]])


def test_training_raises_one_of_the_candidates_and_lowers_the_others():
    logits = torch.tensor([[0.2, 0.1, 0.3]], requires_grad=True)
    optimiser = torch.optim.SGD([logits], lr=1.0)
    for _ in range(300):
        optimiser.zero_grad()
        PartialLabel()(LossInput(logits, target=torch.tensor([[0.5, 0.5, 0.0]]))).backward()
        optimiser.step()
    assert logits[0, 0] > 2 > -2 > logits[0, 2]  # the likelier candidate at the start won


def test_extreme_logits_stay_finite():
    x = LossInput(torch.tensor([[1e4, -1e4]]), target=torch.tensor([[0.0, 1.0]]))
    assert PartialLabel()(x).item() == pytest.approx(2)


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="partial_label needs target"):
        PartialLabel()(LossInput(torch.zeros(1, 2)))


@pytest.mark.parametrize("name", ["w0", "w"])
def test_a_negative_weight_is_refused(name):
    with pytest.raises(ValidationError, match=name):
        PartialLabel(**{name: -1.0})
