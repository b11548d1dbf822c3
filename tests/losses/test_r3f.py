from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import LossInput
from conlst.losses import R3F, CrossEntropy
from conlst.testing import check, random_loss_input
from tests.losses.slow import cross_entropy, kl, softmax


@pytest.mark.oracle("losses.r3f")
@pytest.mark.parametrize("weight", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop_and_its_gradient_with_differences(C, weight):
    x = random_loss_input(9, C, seed=C, dtype=torch.float64)
    loss, expected = R3F(weight=weight), []
    rows = zip(x.clean_logits.tolist(), x.logits.tolist(), x.target.tolist(), strict=True)
    for clean, noised, y in rows:
        p, q = softmax(clean), softmax(noised)
        expected.append(cross_entropy(clean, y) + weight * (kl(q, p) + kl(p, q)))
    assert loss(x).tolist() == pytest.approx(expected, rel=1e-6)
    torch.autograd.gradcheck(
        lambda z, c: loss(replace(x, logits=z, clean_logits=c)),
        [x.logits.requires_grad_(), x.clean_logits.requires_grad_()],
    )


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_it_keeps_the_contract(weight):
    check(R3F(weight=weight))


def test_without_noise_it_is_the_cross_entropy_of_the_clean_row():
    x = random_loss_input()
    still = replace(x, logits=x.clean_logits)
    assert torch.allclose(R3F()(still), CrossEntropy(on="clean")(x), atol=1e-6)


def test_both_predictions_are_pulled_to_each_other():
    x = random_loss_input()
    clean, noised = x.clean_logits.requires_grad_(), x.logits.requires_grad_()
    (R3F()(x) - CrossEntropy(on="clean")(x)).sum().backward()
    assert clean.grad.abs().sum() > 0
    assert noised.grad.abs().sum() > 0


def test_predictions_that_have_nothing_in_common_stay_finite():
    clean = torch.tensor([[300.0, 0.0]], requires_grad=True)
    noised = torch.tensor([[0.0, 300.0]], requires_grad=True)
    loss = R3F()(LossInput(noised, target=torch.tensor([[1.0, 0.0]]), clean_logits=clean))
    loss.sum().backward()
    assert loss.item() == pytest.approx(600)
    assert clean.grad.isfinite().all()
    assert noised.grad.isfinite().all()


@pytest.mark.parametrize("gone", ["target", "clean_logits"])
def test_what_is_missing_is_refused(gone):
    with pytest.raises(ValueError, match="r3f needs target and clean_logits"):
        R3F()(replace(random_loss_input(), **{gone: None}))


def test_a_negative_weight_is_refused():
    with pytest.raises(ValidationError, match="weight"):
        R3F(weight=-1.0)
