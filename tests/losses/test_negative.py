import math

import pytest
import torch

from conlst.arrays import LossInput
from conlst.losses import Negative
from conlst.losses.negative import log_not
from conlst.testing import random_loss_input


@pytest.mark.oracle("losses.negative")
def test_it_agrees_with_a_slow_loop_over_several_complements():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(30, 4, generator=generator)
    complement = torch.rand(30, 4, generator=generator) < 0.5
    loss = Negative()(LossInput(logits, complement=complement))
    for b, z in enumerate(logits.double().tolist()):
        total = sum(map(math.exp, z))
        p = [math.exp(one) / total for one in z]
        slow = -sum(math.log(min(max(1 - p[k], 1e-5), 1)) for k in range(4) if complement[b, k])
        assert loss[b].item() == pytest.approx(slow, rel=1e-4, abs=1e-6)


def test_a_row_without_complement_costs_nothing_and_pulls_nowhere():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = Negative()(LossInput(logits, complement=torch.zeros(2, 3, dtype=torch.bool)))
    loss.sum().backward()
    assert loss.tolist() == [0, 0]
    assert logits.grad.abs().sum() == 0


def test_the_gradient_is_the_one_of_the_literature():
    # d L / d z_ybar = p_ybar and d L / d z_k = - p_ybar p_k / (1 - p_ybar)
    logits = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    Negative()(LossInput(logits, complement=torch.tensor([[False, False, True]]))).backward()
    p = logits.detach().softmax(1)[0]
    expected = [-p[2] * p[0] / (1 - p[2]), -p[2] * p[1] / (1 - p[2]), p[2]]
    assert logits.grad[0].tolist() == pytest.approx([e.item() for e in expected])
    x = random_loss_input(4, dtype=torch.float64)
    torch.autograd.gradcheck(
        lambda z: Negative()(LossInput(z, complement=x.complement)), x.logits.requires_grad_()
    )


def test_the_clamp_ends_the_loss_at_minus_log_1e_5():
    logits = torch.tensor([[60.0, 0.0], [11.0, 0.0]], requires_grad=True)
    loss = Negative()(LossInput(logits, complement=torch.tensor([[True, False]] * 2)))
    loss.sum().backward()
    assert loss[0].item() == pytest.approx(-math.log(1e-5))
    assert logits.grad[0].abs().sum() == 0
    assert logits.grad[1, 0].item() == pytest.approx(1, abs=1e-4)


def test_digits_are_kept_where_p_is_almost_one():
    z = 10.5  # 1 - p is 2.75e-5; in float32, 1 - p by subtraction is off by up to 0.2%
    exact = -math.log1p(math.exp(z))
    assert log_not(torch.tensor([[z, 0.0]]))[0, 0].item() == pytest.approx(exact, rel=1e-6)


def test_no_complement_is_refused():
    with pytest.raises(ValueError, match="needs complement"):
        Negative()(LossInput(torch.zeros(1, 2)))
