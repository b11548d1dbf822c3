import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.losses import ContrastiveNegative, SimCSE
from conlst.testing import check, random_loss_input
from tests.losses.slow import dot, unit


def slow(x, T):
    first, second = ([unit(v) for v in z.tolist()] for z in (x.anchor, x.positive))
    found = []
    for b, h in enumerate(first):
        scores = [math.exp(dot(h, other) / T) for other in second]
        found.append(-math.log(scores[b] / sum(scores)))
    return found


@pytest.mark.oracle("losses.simcse")
@pytest.mark.parametrize("T", [0.05, 0.5])
@pytest.mark.parametrize("B", [1, 2, 9])
def test_it_agrees_with_a_slow_loop_and_its_gradient_with_differences(B, T):
    x = random_loss_input(B, seed=B, dtype=torch.float64)
    assert SimCSE(temperature=T)(x).tolist() == pytest.approx(slow(x, T), rel=1e-6, abs=1e-12)
    views = [x.anchor.requires_grad_(), x.positive.requires_grad_()]
    torch.autograd.gradcheck(
        lambda a, p: SimCSE(temperature=T)(replace(x, anchor=a, positive=p)), views
    )


@pytest.mark.parametrize("T", [0.05, 1.0])
def test_it_keeps_the_contract(T):
    check(SimCSE(temperature=T))


def test_a_batch_of_one_row_costs_nothing_and_pulls_nowhere():
    x = random_loss_input(1)
    anchor = x.anchor.requires_grad_()
    loss = SimCSE()(x)
    loss.sum().backward()
    assert loss.tolist() == [0]
    assert anchor.grad.abs().sum() == 0


def test_in_a_small_batch_of_unlike_texts_the_loss_is_near_zero_at_once():
    x = random_loss_input(4, D=64)
    near = x.anchor + 0.1 * x.positive
    small = SimCSE()(replace(x, positive=near))
    assert small.max() < 1e-3
    many = random_loss_input(512, D=64)
    assert SimCSE()(replace(many, positive=many.anchor + 0.1 * many.positive)).mean() > small.mean()


def test_it_is_contrastive_negative_learning_from_the_other_rows_of_the_batch():
    x = random_loss_input()
    others = replace(x, negatives=x.positive, negative_mask=~torch.eye(6, dtype=torch.bool))
    assert torch.allclose(SimCSE()(x), ContrastiveNegative()(others), atol=1e-4)


def test_half_precision_and_vectors_of_length_zero_stay_finite():
    x = random_loss_input(dtype=torch.float16)
    x.anchor[0] = 0
    loss = SimCSE()(x)
    assert loss.dtype == torch.float32
    assert loss.isfinite().all()


def test_what_is_missing_is_refused():
    with pytest.raises(ValueError, match="simcse needs anchor and positive"):
        SimCSE()(replace(random_loss_input(), anchor=None, positive=None))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValidationError, match="temperature"):
        SimCSE(temperature=0)
