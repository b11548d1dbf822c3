import math

import pytest
import torch

from conlst.arrays import LossInput
from conlst.losses import Evidential
from conlst.testing import check, random_loss_input


def slow_alpha(z):
    return [(one if one > 0 else math.exp(one) - 1) + 1 + 1 for one in z]


@pytest.mark.oracle("losses.evidential")
@pytest.mark.parametrize("C", [2, 3, 7])
def test_it_agrees_with_a_slow_loop(C):
    generator = torch.Generator().manual_seed(C)
    logits = 5 * torch.randn(30, C, generator=generator)
    target = torch.randn(30, C, generator=generator).softmax(1)
    loss = Evidential()(LossInput(logits, target=target))
    probs = Evidential().probabilities(logits, torch.zeros(30, 1))
    for b, (z, y) in enumerate(zip(logits.tolist(), target.tolist(), strict=True)):
        alpha = slow_alpha(z)
        S = sum(alpha)
        p = [a / S for a in alpha]
        slow = sum((y[k] - p[k]) ** 2 + p[k] * (1 - p[k]) / (S + 1) for k in range(C))
        assert loss[b].item() == pytest.approx(slow, rel=1e-4)
        assert probs[b].tolist() == pytest.approx(p, rel=1e-4)


def test_it_keeps_the_contract():
    check(Evidential())


def test_it_is_the_expected_squared_error_under_the_dirichlet_distribution():
    logits, y = torch.tensor([[1.5, -0.5, 0.2]]), torch.tensor([[0.0, 1.0, 0.0]])
    torch.manual_seed(0)
    drawn = torch.distributions.Dirichlet(torch.tensor(slow_alpha(logits[0].tolist())))
    mean = (y - drawn.sample((200_000,))).square().sum(1).mean().item()
    assert Evidential()(LossInput(logits, target=y)).item() == pytest.approx(mean, rel=0.01)


def test_it_reads_less_confidence_than_softmax_and_the_same_label():
    x = random_loss_input(50, 4)
    probs = Evidential().probabilities(3 * x.logits, x.features)
    assert torch.equal(probs.argmax(1), x.logits.argmax(1))
    assert (probs.amax(1) < (3 * x.logits).softmax(1).amax(1)).all()


def test_no_evidence_at_all_is_the_uniform_distribution():
    logits = torch.full((1, 4), -80.0, requires_grad=True)
    probs = Evidential().probabilities(logits, torch.zeros(1, 1))
    assert probs[0].tolist() == pytest.approx([0.25] * 4)
    Evidential()(LossInput(logits, target=torch.eye(4)[:1])).backward()
    assert logits.grad.isfinite().all()


def test_training_gathers_evidence_for_the_label():
    logits, y = torch.zeros(1, 3, requires_grad=True), torch.eye(3)[1:2]
    optimiser = torch.optim.SGD([logits], lr=5.0)
    for _ in range(200):
        optimiser.zero_grad()
        Evidential()(LossInput(logits, target=y)).backward()
        optimiser.step()
    assert Evidential().probabilities(logits, torch.zeros(1, 1))[0, 1] > 0.7


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="evidential needs target"):
        Evidential()(LossInput(torch.zeros(1, 2)))
