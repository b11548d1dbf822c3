import math

import pytest
import torch

from conlst.arrays import LossInput
from conlst.losses import PLPlus
from conlst.testing import check
from tests.losses.slow import softmax


def slow(z):
    p = softmax(z)
    above = [k for k in range(len(p)) if p[k] > 1 / len(p)]
    if len(above) != 1:
        return 0.0
    return -(1 - p[above[0]] ** 2) * math.log(p[above[0]])


@pytest.mark.oracle("losses.pl_plus")
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(C):
    logits = 2 * torch.randn(60, C, generator=torch.Generator().manual_seed(C))
    expected = [slow(z) for z in logits.double().tolist()]
    assert PLPlus()(LossInput(logits)).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert any(expected)
    assert C == 2 or not all(expected)


def test_it_keeps_the_contract():
    check(PLPlus())


def test_two_classes_above_chance_leave_a_row_alone():
    logits = torch.tensor([[0.50, 0.40, 0.10], [0.80, 0.15, 0.05]]).log().requires_grad_()
    loss = PLPlus()(LossInput(logits))
    loss.sum().backward()
    assert loss[0] == 0 < loss[1]
    assert logits.grad[0].abs().sum() == 0


def test_a_batch_in_which_no_row_is_kept_costs_nothing_and_is_not_nan():
    logits = torch.zeros(4, 3, requires_grad=True)
    loss = PLPlus()(LossInput(logits))
    loss.sum().backward()
    assert loss.tolist() == [0] * 4
    assert logits.grad.abs().sum() == 0


def test_the_weight_has_no_gradient_and_falls_with_the_confidence():
    # d L / d z_yhat = - (1 - p^2) (1 - p)
    logits = torch.tensor([[2.0, 0.0, 0.0], [4.0, 0.0, 0.0]], requires_grad=True)
    PLPlus()(LossInput(logits)).sum().backward()
    expected = [-(1 - p**2) * (1 - p) for p in (softmax(z)[0] for z in logits.tolist())]
    assert logits.grad[:, 0].tolist() == pytest.approx(expected, rel=1e-4)
    assert abs(expected[1]) < 0.1 * abs(expected[0])


def test_the_weight_of_a_row_is_its_own():
    logits = torch.tensor([[2.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
    together = PLPlus()(LossInput(logits))
    assert torch.equal(together[:1], PLPlus()(LossInput(logits[:1])))  # not a product of both
