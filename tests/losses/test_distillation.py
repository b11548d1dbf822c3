import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import LossInput
from conlst.losses import CrossEntropy, Distillation
from conlst.testing import check, random_loss_input
from tests.losses.slow import kl, softmax


@pytest.mark.oracle("losses.distillation")
@pytest.mark.parametrize("T", [0.1, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop_of_the_teachers_logits(C, T):
    generator = torch.Generator().manual_seed(C)
    teacher, logits = (torch.randn(20, C, generator=generator).double() for _ in range(2))
    loss = Distillation(temperature=T)(LossInput(logits, target=teacher.softmax(1)))
    for b, (t, z) in enumerate(zip(teacher.tolist(), logits.tolist(), strict=True)):
        p, q = softmax([one / T for one in t]), softmax([one / T for one in z])
        assert loss[b].item() == pytest.approx(T**2 * kl(p, q), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("T", [0.1, 2.0])
def test_it_keeps_the_contract(T):
    check(Distillation(temperature=T))


def test_the_students_own_prediction_costs_nothing():
    x = random_loss_input()
    loss = Distillation()(LossInput(x.logits, target=x.logits.softmax(1)))
    assert loss.abs().max() < 1e-6


def test_at_temperature_one_it_has_the_gradient_of_cross_entropy():
    x = random_loss_input()
    teacher = torch.randn(6, 3).softmax(1)
    gradients = []
    for loss in (Distillation(temperature=1.0), CrossEntropy()):
        logits = x.logits.clone().requires_grad_()
        loss(LossInput(logits, target=teacher)).sum().backward()
        gradients.append(logits.grad)
    assert torch.allclose(*gradients, atol=1e-6)


def test_the_size_of_the_gradient_does_not_fall_with_the_temperature():
    x = random_loss_input()

    def size(T):
        logits = x.logits.clone().requires_grad_()
        teacher = x.clean_logits.softmax(1)
        Distillation(temperature=T)(LossInput(logits, target=teacher)).sum().backward()
        return logits.grad.norm().item()

    assert size(20.0) > 0.5 * size(1.0)


def test_a_hard_target_stays_hard_and_finite():
    logits = torch.tensor([[1.0, -1.0, 0.5]], requires_grad=True)
    y = torch.tensor([[0.0, 1.0, 0.0]])
    loss = Distillation()(LossInput(logits, target=y))
    loss.sum().backward()
    assert loss.item() == pytest.approx(4 * CrossEntropy()(LossInput(logits / 2, target=y)).item())
    assert logits.grad.isfinite().all()


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="distillation needs target"):
        Distillation()(LossInput(torch.zeros(1, 2)))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValidationError, match="temperature"):
        Distillation(temperature=0)
