from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import LossInput
from conlst.losses import KLConsistency
from conlst.testing import check, check_loss, random_loss_input
from tests.losses.slow import kl, softmax


def sharper(x):
    return replace(x, clean_logits=3 * x.clean_logits)


@pytest.mark.oracle("losses.kl_consistency")
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("T", [0.4, 1.0, 2.0])
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(C, T, beta):
    x = sharper(random_loss_input(40, C, seed=C))
    expected = []
    for z, view in zip(x.clean_logits.double().tolist(), x.logits.double().tolist(), strict=True):
        sure = max(softmax(z)) > beta
        sharpened = softmax([one / T for one in z])
        expected.append(kl(sharpened, softmax(view)) if sure else 0.0)
    loss = KLConsistency(threshold=beta, temperature=T)(x)
    assert loss.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert any(expected)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_it_keeps_the_contract(beta):
    check(KLConsistency(threshold=beta))


def test_and_so_it_does_at_the_default_threshold():
    x = random_loss_input()
    check_loss(KLConsistency(), LossInput(x.logits, clean_logits=4 * x.clean_logits))


def test_the_clean_row_gets_no_gradient():
    x = sharper(random_loss_input())
    clean, view = x.clean_logits.clone().requires_grad_(), x.logits.requires_grad_()
    KLConsistency()(replace(x, clean_logits=clean)).sum().backward()
    assert clean.grad is None
    assert view.grad.abs().sum() > 0


def test_an_unsure_row_costs_nothing_and_pulls_nowhere():
    clean = torch.tensor([[1.0, 0.0], [3.0, 0.0]])  # .731 and .953
    view = torch.zeros(2, 2, requires_grad=True)
    loss = KLConsistency()(LossInput(view, clean_logits=clean))
    loss.sum().backward()
    assert loss[0] == 0 < loss[1]
    assert view.grad[0].abs().sum() == 0


def test_the_confidence_is_that_before_sharpening():
    clean = torch.tensor([[1.0, 0.0]])  # .731 as it is, .924 sharpened
    assert KLConsistency(threshold=0.8)(LossInput(torch.zeros(1, 2), clean_logits=clean)) == 0
    assert KLConsistency(threshold=0.7)(LossInput(torch.zeros(1, 2), clean_logits=clean)) > 0


def test_the_temperature_is_on_the_clean_side_only():
    # what costs nothing is a view as sharp as the sharpened prediction, not one as the clean row
    clean = torch.tensor([[2.0, 0.0]])
    assert KLConsistency()(LossInput(clean, clean_logits=clean)) > 0.05
    assert KLConsistency()(LossInput(clean / 0.4, clean_logits=clean)).abs() < 1e-6


def test_extreme_logits_stay_finite():
    view = torch.tensor([[-300.0, 0.0]], requires_grad=True)
    loss = KLConsistency()(LossInput(view, clean_logits=torch.tensor([[1e4, -1e4]])))
    loss.sum().backward()
    assert loss.item() == pytest.approx(300)
    assert view.grad.isfinite().all()


def test_no_clean_logits_are_refused():
    with pytest.raises(ValueError, match="kl_consistency needs clean_logits"):
        KLConsistency()(LossInput(torch.zeros(1, 2)))


@pytest.mark.parametrize("wrong", [{"threshold": 1.1}, {"threshold": -0.1}, {"temperature": 0}])
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        KLConsistency(**wrong)
