import math
from dataclasses import replace

import pytest
import torch

from conlst.arrays import LossInput, Sizes
from conlst.losses import LOU, CrossEntropy, Readout
from conlst.testing import check, random_loss_input
from tests.losses.slow import cross_entropy

LANGUAGES = ("en", "sw", "th")


@pytest.mark.oracle("losses.lou")
@pytest.mark.parametrize("C", [2, 3])
def test_it_agrees_with_a_slow_loop(C):
    x = replace(random_loss_input(9, C, seed=C), language=torch.arange(9) % 3)
    module = LOU().build(Sizes(C, 5, LANGUAGES))
    s = [0.4, -1.0, 2.0]
    with torch.no_grad():
        module.s.weight.copy_(torch.tensor(s)[:, None])
    for b in range(9):
        plain = cross_entropy(x.logits[b].tolist(), x.target[b].tolist())
        slow = plain * math.exp(-s[b % 3]) + s[b % 3] / 2
        assert module(x)[b].item() == pytest.approx(slow, rel=1e-5)


def test_it_keeps_the_contract():
    check(LOU())


def test_at_first_it_is_plain_cross_entropy_and_draws_no_chance():
    x, before = random_loss_input(), torch.get_rng_state()
    module = LOU().build(Sizes(3, 5, LANGUAGES))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(module(x), CrossEntropy()(x))


def test_the_uncertainty_of_a_language_settles_at_twice_its_cross_entropy():
    logits = torch.tensor([[4.0, 0.0], [0.5, 0.0], [0.0, 1.0]])
    x = LossInput(logits, target=torch.eye(2)[[0, 0, 0]], language=torch.tensor([0, 1, 1]))
    module = LOU().build(Sizes(2, 5, LANGUAGES))
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(600):
        optimiser.zero_grad()
        module(x).sum().backward()
        optimiser.step()
    plain = CrossEntropy()(x)
    found = module.s.weight[:, 0].exp().tolist()
    expected = [2 * plain[0].item(), plain[1:].sum().item(), 1.0]
    assert found == pytest.approx(expected, rel=0.02)  # a language never seen stays as it was


def test_it_needs_several_languages_and_reads_probabilities_as_usual():
    assert "languages" in LOU().all_needs()
    assert not isinstance(LOU().build(Sizes(2, 1, LANGUAGES)), Readout)


def test_it_is_called_only_once_built():
    with pytest.raises(TypeError, match=r"lou: call what build\(sizes\) returns"):
        LOU()(random_loss_input())


@pytest.mark.parametrize("gone", ["target", "language"])
def test_what_is_missing_is_refused(gone):
    module = LOU().build(Sizes(3, 5, LANGUAGES))
    with pytest.raises(ValueError, match="lou needs target"):
        module(replace(random_loss_input(), **{gone: None}))
