import math

import pytest
import torch

from conlst.arrays import LossInput
from conlst.losses import Negative, NLPlus
from conlst.testing import check, random_loss_input
from tests.losses.slow import softmax


@pytest.mark.oracle("losses.nl_plus")
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop_over_several_complements(C):
    generator = torch.Generator().manual_seed(C)
    logits = 4 * torch.randn(30, C, generator=generator)
    complement = torch.rand(30, C, generator=generator) < 0.5
    loss = NLPlus()(LossInput(logits, complement=complement))
    for b, z in enumerate(logits.double().tolist()):
        slow = 0.0
        for k, p in enumerate(softmax(z)):
            if complement[b, k]:
                rest = min(max(1 - p, 1e-5), 1)
                slow -= rest * math.log(rest)
        assert loss[b].item() == pytest.approx(slow, rel=1e-4, abs=1e-6)


def test_it_keeps_the_contract():
    check(NLPlus())


def test_the_weight_cancels_the_steep_part_of_negative_learnings_gradient():
    # d L / d z_k = p_k (1 - p_k) and d L / d z_j = - p_k p_j: nothing is divided by 1 - p_k
    logits = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    x = LossInput(logits, complement=torch.tensor([[False, False, True]]))
    (gradient,) = torch.autograd.grad(NLPlus()(x).sum(), logits)
    p = softmax([0.3, -1.0, 2.0])
    expected = [-p[2] * p[0], -p[2] * p[1], p[2] * (1 - p[2])]
    assert gradient[0].tolist() == pytest.approx(expected)
    (plain,) = torch.autograd.grad(Negative()(x).sum(), logits)
    assert plain[0].tolist() == pytest.approx([one / (1 - p[2]) for one in expected])


def test_it_pulls_most_where_the_model_is_undecided_and_least_where_it_contradicts():
    def pull(z):
        logits = torch.tensor([[z, 0.0]], requires_grad=True)
        NLPlus()(LossInput(logits, complement=torch.tensor([[True, False]]))).backward()
        return logits.grad[0, 0].item()

    assert pull(0.0) == pytest.approx(0.25)
    assert pull(6.0) == pytest.approx(pull(-6.0), rel=1e-3) == pytest.approx(0.0025, rel=0.05)


def test_a_row_without_complement_costs_nothing_and_pulls_nowhere():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = NLPlus()(LossInput(logits, complement=torch.zeros(2, 3, dtype=torch.bool)))
    loss.sum().backward()
    assert loss.tolist() == [0, 0]
    assert logits.grad.abs().sum() == 0


def test_no_complement_is_refused():
    with pytest.raises(ValueError, match="nl_plus needs complement"):
        NLPlus()(LossInput(random_loss_input().logits))
