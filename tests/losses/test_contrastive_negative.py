import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.losses import ContrastiveNegative
from conlst.testing import random_loss_input

SIMILARITIES = ["neg_sq_euclidean", "neg_euclidean", "cosine", "dot"]


def slow_similarity(kind, normalize, x, y):
    def unit(v):
        length = math.sqrt(sum(a * a for a in v))
        return [a / length for a in v]

    if normalize or kind == "cosine":
        x, y = unit(x), unit(y)
    square = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    return {
        "neg_sq_euclidean": -square,
        "neg_euclidean": -math.sqrt(square),
        "cosine": dot,
        "dot": dot,
    }[kind]


def slow(loss, x):
    """Eq. 6 in its three readings, one anchor at a time."""
    found = []
    for b, z in enumerate(x.anchor.tolist()):

        def s(other, z=z):
            return slow_similarity(loss.similarity, loss.normalize, z, other)

        near = s(x.positive[b].tolist())
        held = zip(x.negatives.tolist(), x.negative_mask[b].tolist(), strict=True)
        far = [s(other) for other, is_negative in held if is_negative]
        if not far:
            found.append(0.0)
        elif loss.form == "infonce":
            top = math.exp(near / loss.tau)
            found.append(-math.log(top / (top + sum(math.exp(one / loss.tau) for one in far))))
        elif loss.form == "literal":
            rest = sum(-one / loss.tau for one in far)
            found.append(-math.log((-near / loss.tau) / (-near + rest)))
        else:
            top = 1 / (1 - near)
            found.append(-math.log(top / (top + sum(1 / (1 - one) for one in far))))
    return found


CASES = [
    (form, similarity, normalize)
    for form in ("infonce", "literal", "inverse_distance")
    for similarity in SIMILARITIES
    for normalize in (True, False)
    if (form == "infonce" or similarity.startswith("neg_"))
    and not (similarity == "cosine" and not normalize)
]


@pytest.mark.oracle("losses.contrastive_negative")
@pytest.mark.parametrize(("form", "similarity", "normalize"), CASES)
@pytest.mark.parametrize("tau", [0.1, 2.0])
def test_it_agrees_with_a_slow_loop_and_its_gradient_with_differences(
    form, similarity, normalize, tau
):
    x = random_loss_input(4, dtype=torch.float64)
    loss = ContrastiveNegative(form=form, similarity=similarity, normalize=normalize, tau=tau)
    assert loss(x).tolist() == pytest.approx(slow(loss, x), rel=1e-6, abs=1e-9)
    inputs = [value.clone().requires_grad_() for value in (x.anchor, x.positive, x.negatives)]
    torch.autograd.gradcheck(
        lambda a, p, n: loss(replace(x, anchor=a, positive=p, negatives=n)), inputs
    )


def test_on_the_unit_sphere_it_is_simcse_at_half_the_temperature():
    x = random_loss_input()
    ours = ContrastiveNegative(tau=0.1)(x)
    simcse = ContrastiveNegative(similarity="cosine", tau=0.05)(x)
    assert torch.allclose(ours, simcse, atol=1e-5)


@pytest.mark.parametrize("form", ["infonce", "literal", "inverse_distance"])
def test_an_anchor_without_negatives_costs_nothing_and_pulls_nowhere(form):
    x = random_loss_input(3)
    anchor, positive = x.anchor.requires_grad_(), x.positive.requires_grad_()
    loss = ContrastiveNegative(form=form)(x)
    loss.sum().backward()
    assert loss[2] == 0
    assert anchor.grad[2].abs().sum() == positive.grad[2].abs().sum() == 0
    assert anchor.grad[:2].abs().sum() > 0


@pytest.mark.parametrize("form", ["infonce", "literal", "inverse_distance"])
def test_no_negative_at_all_is_no_nan(form):
    x = random_loss_input(3, M=0)
    x.anchor.requires_grad_()
    loss = ContrastiveNegative(form=form)(x)
    loss.sum().backward()
    assert loss.tolist() == [0, 0, 0]
    assert x.anchor.grad.abs().sum() == 0


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_equal_views_and_a_negative_equal_to_the_anchor_give_finite_gradients(similarity):
    x = random_loss_input(3)
    x = replace(
        x, positive=x.anchor.clone(), negatives=x.anchor.clone(), negative_mask=torch.ones(3, 3) > 0
    )
    inputs = [t.requires_grad_() for t in (x.anchor, x.positive, x.negatives)]
    loss = ContrastiveNegative(similarity=similarity)(x)
    for gradient in torch.autograd.grad(loss.sum(), inputs):
        assert bool(gradient.isfinite().all())


def test_half_precision_outputs_are_compared_in_full():
    x = random_loss_input()
    half = {n: getattr(x, n).bfloat16() for n in ("anchor", "positive", "negatives")}
    loss = ContrastiveNegative()(replace(x, **half))
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, ContrastiveNegative()(x), rtol=0.1, atol=0.1)


def distances_after_training(form):
    """Mean distance (to the positive, to the negatives) before and after descending one form."""
    generator = torch.Generator().manual_seed(0)
    x = random_loss_input(6, M=6)
    x = replace(x, negative_mask=torch.ones(6, 6) > 0)
    names = ("anchor", "positive", "negatives")
    z = {n: torch.randn(6, 8, generator=generator).requires_grad_() for n in names}
    loss = ContrastiveNegative(form=form, similarity="neg_euclidean", normalize=False, tau=1.0)
    near = lambda: (z["anchor"] - z["positive"]).norm(dim=1).mean().item()  # noqa: E731
    far = lambda: torch.cdist(z["anchor"], z["negatives"]).mean().item()  # noqa: E731
    before = near(), far()
    optimiser = torch.optim.SGD(z.values(), lr=0.3)
    for _ in range(100):
        optimiser.zero_grad()
        loss(replace(x, **z)).sum().backward()
        optimiser.step()
    return before, (near(), far())


def test_the_printed_equation_pushes_the_two_views_apart_and_the_default_pulls_them_together():
    (near, _), (near_after, _) = distances_after_training("literal")
    assert near_after > 1.3 * near
    for form in ("infonce", "inverse_distance"):
        (near, far), (near_after, far_after) = distances_after_training(form)
        assert near_after < 0.5 * near
        assert far_after > far


def test_tau_cancels_only_in_the_inverse_distance():
    x = random_loss_input()
    for form, cancels in {"infonce": False, "literal": False, "inverse_distance": True}.items():
        cold, warm = (ContrastiveNegative(form=form, tau=tau)(x) for tau in (0.1, 1.0))
        assert torch.allclose(cold, warm) == cancels


@pytest.mark.parametrize("form", ["literal", "inverse_distance"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_forms_made_of_distances_refuse_what_is_none(form, similarity):
    with pytest.raises(ValidationError, match=f"{form}.*{similarity}.*allowed.*neg_euclidean"):
        ContrastiveNegative(form=form, similarity=similarity)


def test_a_cosine_of_unnormalised_vectors_is_refused():
    with pytest.raises(ValidationError, match="cosine normalises by itself"):
        ContrastiveNegative(similarity="cosine", normalize=False)


def test_what_is_missing_is_refused():
    with pytest.raises(ValueError, match="needs anchor and positive"):
        ContrastiveNegative()(replace(random_loss_input(), anchor=None, positive=None))
