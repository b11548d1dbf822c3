import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from conlst.arrays import LossInput, Sizes
from conlst.losses import LEU, CrossEntropy
from conlst.losses.leu import balanced_noise
from conlst.testing import check, random_loss_input
from tests.losses.slow import cross_entropy, dot, softmax

FORMS = ["sampled", "regression"]


def built(loss, x, scale=0.3):
    """The module for that input, with some head."""
    module = loss.build(Sizes(x.logits.shape[1], x.features.shape[1], ("en", "sw")))
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=scale)
    return module.to(x.logits.dtype)


def slow_s(module, features):
    weight, bias = module.head.weight[0].tolist(), module.head.bias.item()
    return [dot(weight, row) + bias for row in features.tolist()]


def slow_mean(z, s, noise):
    """Mean over the draws of softmax(z + e^s eps)."""
    found = [softmax([a + math.exp(s) * e for a, e in zip(z, eps, strict=True)]) for eps in noise]
    return [sum(p[c] for p in found) / len(found) for c in range(len(z))]


@pytest.mark.oracle("losses.leu")
@pytest.mark.parametrize("draws", [1, 10, 30])
@pytest.mark.parametrize("C", [2, 3, 7])
def test_the_sampled_form_agrees_with_a_slow_loop(C, draws):
    x = random_loss_input(8, C, seed=C)
    x = replace(x, target=torch.randn(8, C).softmax(1))
    module = built(LEU(draws=draws, reading_draws=2 * draws), x)
    probs = module.probabilities(x.logits, x.features)
    for b, s in enumerate(slow_s(module, x.features)):
        z, y = x.logits[b].tolist(), x.target[b].tolist()
        p = slow_mean(z, s, balanced_noise(draws, C).tolist())
        slow = -sum(y[c] * math.log(p[c]) for c in range(C))
        assert module(x)[b].item() == pytest.approx(slow, rel=1e-4)
        read = slow_mean(z, s, balanced_noise(2 * draws, C).tolist())
        assert probs[b].tolist() == pytest.approx(read, rel=1e-4)


@pytest.mark.oracle("losses.leu")
@pytest.mark.parametrize("C", [2, 3, 7])
def test_the_regression_form_agrees_with_a_slow_loop(C):
    x = random_loss_input(8, C, seed=C)
    module = built(LEU(form="regression"), x)
    probs = module.probabilities(x.logits, x.features)
    for b, s in enumerate(slow_s(module, x.features)):
        z, y = x.logits[b].tolist(), x.target[b].tolist()
        slow = cross_entropy(z, y) * math.exp(-s) + s / 2
        assert module(x)[b].item() == pytest.approx(slow, rel=1e-4)
        assert probs[b].tolist() == pytest.approx(softmax([a * math.exp(-s) for a in z]), rel=1e-4)


@pytest.mark.parametrize("loss", [LEU(), LEU(draws=1, reading_draws=3), LEU(form="regression")])
def test_it_keeps_the_contract(loss):
    check(loss)


@pytest.mark.parametrize("form", FORMS)
def test_its_gradients_agree_with_differences(form):
    x = random_loss_input(3, dtype=torch.float64)
    module = built(LEU(form=form), x)
    torch.autograd.gradcheck(
        lambda z, f, *head: module(replace(x, logits=z, features=f)),
        [x.logits.requires_grad_(), x.features.requires_grad_(), *module.parameters()],
    )


def test_at_first_all_rows_are_equally_sure():
    x = random_loss_input()
    sizes = Sizes(3, 5, ("en",))
    regression = LEU(form="regression").build(sizes)
    assert torch.allclose(regression(x), CrossEntropy()(x))
    same = LossInput(x.logits[:1].repeat(6, 1), target=x.target[:1].repeat(6, 1))
    found = LEU().build(sizes)(replace(same, features=x.features))
    assert torch.allclose(found, found[:1].expand(6))


@pytest.mark.parametrize("form", FORMS)
def test_building_it_twice_gives_the_same_and_draws_no_chance(form):
    before = torch.get_rng_state()
    first, second = (LEU(form=form).build(Sizes(3, 5, ("en",))).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_row_learns_to_be_unsure_and_a_right_one_to_be_sure(form):
    logits = torch.tensor([[3.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    x = LossInput(logits, target=torch.eye(3)[[0, 2]], features=torch.eye(2))
    module = LEU(form=form).build(Sizes(3, 2, ("en",)))
    optimiser = torch.optim.SGD(module.parameters(), lr=0.3)
    for _ in range(50):
        optimiser.zero_grad()
        module(x).sum().backward()
        optimiser.step()
    right, wrong = module.probabilities(x.logits, x.features)[:, 0].tolist()
    assert right > wrong + 0.1


@pytest.mark.parametrize("draws", [1, 10, 20])
@pytest.mark.parametrize("C", [2, 3, 7])
def test_the_draws_favour_no_class(C, draws):
    noise = balanced_noise(draws, C)
    assert len(noise) == 2 * C * math.ceil(draws / (2 * C))
    for std in (0.5, 4.0):
        mean = (std * noise).softmax(1).mean(0)
        assert mean.tolist() == pytest.approx([1 / C] * C, abs=1e-6)
    assert noise.square().sum(1).mean().item() == pytest.approx(C - 1, rel=1e-5)


def test_so_few_draws_come_close_to_what_very_many_would_say():
    many = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(5))
    z = torch.tensor([2.0, 0.0, 0.0])
    for draws, tolerance in ((10, 0.02), (20, 0.01)):
        few = (z + balanced_noise(draws, 3)).softmax(1).mean(0)
        assert torch.allclose(few, (z + many).softmax(1).mean(0), atol=tolerance)


def test_confidence_falls_as_the_noise_grows():
    module = LEU().build(Sizes(3, 1, ("en",)))
    with torch.no_grad():
        module.head.weight.fill_(1.0)
    s = torch.tensor([[-9.0], [0.0], [1.0], [2.0]])
    top = module.probabilities(torch.tensor([[2.0, 0.0, 0.0]]).repeat(4, 1), s)[:, 0]
    assert top[0].item() == pytest.approx(softmax([2.0, 0.0, 0.0])[0], abs=1e-4)
    assert top.tolist() == sorted(top.tolist(), reverse=True)


def test_it_is_called_only_once_built():
    with pytest.raises(TypeError, match=r"leu: call what build\(sizes\) returns"):
        LEU()(random_loss_input())


@pytest.mark.parametrize("gone", ["target", "features"])
def test_what_is_missing_is_refused(gone):
    x = random_loss_input()
    with pytest.raises(ValueError, match="leu needs target"):
        built(LEU(), x)(replace(x, **{gone: None}))


@pytest.mark.parametrize("wrong", [{"form": "plain"}, {"draws": 0}, {"reading_draws": 0}])
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        LEU(**wrong)
