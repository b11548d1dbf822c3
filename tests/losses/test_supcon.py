import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.losses import SupCon
from conlst.losses.contrast import attraction
from conlst.testing import check, random_loss_input
from tests.losses.slow import dot, unit


def slow(x, T):
    """Khosla's L_out over both views of every row, one view at a time."""
    B = len(x.logits)
    vectors = [unit(v) for v in [*x.anchor.tolist(), *x.positive.tolist()]]
    labels = [y.index(max(y)) for y in x.target.tolist()] * 2

    def of_view(v):
        others = [u for u in range(2 * B) if u != v]
        total = sum(math.exp(dot(vectors[v], vectors[u]) / T) for u in others)
        positives = [u for u in others if labels[u] == labels[v]]
        shares = [math.log(math.exp(dot(vectors[v], vectors[u]) / T) / total) for u in positives]
        return -sum(shares) / len(shares)

    return [(of_view(b) + of_view(b + B)) / 2 for b in range(B)]


@pytest.mark.oracle("losses.supcon")
@pytest.mark.parametrize("T", [0.07, 1.0])
@pytest.mark.parametrize(("B", "C"), [(1, 3), (2, 2), (9, 3)])
def test_it_agrees_with_a_slow_loop_and_its_gradient_with_differences(B, C, T):
    x = random_loss_input(B, C, seed=B, dtype=torch.float64)
    loss = SupCon(temperature=T)
    assert loss(x).tolist() == pytest.approx(slow(x, T), rel=1e-6, abs=1e-12)
    views = [x.anchor.requires_grad_(), x.positive.requires_grad_()]
    torch.autograd.gradcheck(lambda a, p: loss(replace(x, anchor=a, positive=p)), views)


@pytest.mark.parametrize("T", [0.07, 1.0])
def test_it_keeps_the_contract(T):
    check(SupCon(temperature=T))


def test_a_row_alone_in_its_class_still_has_its_other_view():
    x = random_loss_input(3)
    x = replace(x, target=torch.eye(3))
    anchor = x.anchor.requires_grad_()
    loss = SupCon()(x)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert (loss > 0).all()
    assert anchor.grad.isfinite().all()


def test_views_without_positives_get_zero_and_no_gradient_instead_of_nan():
    anchor = torch.randn(3, 4, requires_grad=True)
    nobody, everybody = torch.zeros(3, 3) > 0, torch.ones(3, 3) > 0
    for compared in (everybody, nobody):
        loss = attraction(anchor, anchor + 1, nobody, compared, 0.07)
        (gradient,) = torch.autograd.grad(loss.sum(), anchor)
        assert loss.tolist() == [0, 0, 0]
        assert gradient.abs().sum() == 0


def test_the_features_are_normalised_inside():
    x = random_loss_input()
    longer = replace(x, anchor=7 * x.anchor, positive=0.1 * x.positive)
    assert torch.allclose(SupCon()(x), SupCon()(longer), atol=1e-4)


def test_rows_of_one_class_are_pulled_together_and_others_apart():
    x = random_loss_input(8, 2, seed=1)
    h = x.anchor.clone().requires_grad_()
    same = x.target.argmax(1)[:, None] == x.target.argmax(1)

    def cosines():
        unit_vectors = torch.nn.functional.normalize(h.detach())
        table = unit_vectors @ unit_vectors.T
        return table[same].mean().item(), table[~same].mean().item()

    before = cosines()
    optimiser = torch.optim.SGD([h], lr=1.0)
    for _ in range(300):
        optimiser.zero_grad()
        SupCon(temperature=1.0)(replace(x, anchor=h, positive=h)).mean().backward()
        optimiser.step()
    after = cosines()
    assert after[0] > 0.9 > before[0]
    assert after[1] < -0.5 < before[1]


@pytest.mark.parametrize("gone", [{"target": None}, {"anchor": None, "positive": None}])
def test_what_is_missing_is_refused(gone):
    with pytest.raises(ValueError, match="supcon needs target"):
        SupCon()(replace(random_loss_input(), **gone))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValidationError, match="temperature"):
        SupCon(temperature=0)
