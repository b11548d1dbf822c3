import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.losses import CCL, ContrastiveNegative, SupCon
from conlst.testing import check, random_loss_input
from tests.losses.slow import dot, unit


def slow(x, T):
    """Deng's two kinds of anchors, one view at a time."""
    B = len(x.logits)
    h = [unit(v) for v in [*x.anchor.tolist(), *x.positive.tolist()]]
    label = [y.index(max(y)) for y in x.target.tolist()] * 2
    sure = x.confident.tolist() * 2
    not_it = [{k for k, one in enumerate(row) if one} for row in x.complement.tolist()] * 2

    def of_view(v):
        everyone = [u for u in range(2 * B) if u != v]
        if sure[v]:
            positives = [u for u in everyone if sure[u] and label[u] == label[v]]
            negatives = [u for u in everyone if sure[u] and label[u] != label[v]]
            negatives += [u for u in everyone if not sure[u] and label[v] in not_it[u]]
        else:
            positives = [(v + B) % (2 * B)]
            negatives = [u for u in everyone if sure[u] and label[u] in not_it[v]]
        total = sum(math.exp(dot(h[v], h[u]) / T) for u in positives + negatives)
        shares = [math.log(math.exp(dot(h[v], h[u]) / T) / total) for u in positives]
        return -sum(shares) / len(shares)

    return [(of_view(b) + of_view(b + B)) / 2 for b in range(B)]


def several_complements(B, C, seed):
    generator = torch.Generator().manual_seed(seed)
    x = random_loss_input(B, C, seed=seed, dtype=torch.float64)
    complement = (torch.rand(B, C, generator=generator) < 0.5) & (x.target == 0)
    confident = torch.rand(B, generator=generator) < 0.6
    return replace(x, complement=complement, confident=confident)


@pytest.mark.oracle("losses.ccl")
@pytest.mark.parametrize("T", [0.07, 1.0])
@pytest.mark.parametrize(("B", "C"), [(1, 3), (2, 2), (9, 3), (12, 5)])
def test_it_agrees_with_a_slow_loop_and_its_gradient_with_differences(B, C, T):
    loss = CCL(temperature=T)
    for seed in range(3):
        x = several_complements(B, C, seed)
        assert loss(x).tolist() == pytest.approx(slow(x, T), rel=1e-6, abs=1e-12)
    views = [x.anchor.requires_grad_(), x.positive.requires_grad_()]
    torch.autograd.gradcheck(lambda a, p: loss(replace(x, anchor=a, positive=p)), views)


@pytest.mark.parametrize("T", [0.07, 1.0])
def test_it_keeps_the_contract(T):
    check(CCL(temperature=T))


def test_where_all_are_confident_it_is_supcon():
    x = replace(random_loss_input(), confident=torch.ones(6) > 0)
    assert torch.allclose(CCL()(x), SupCon()(x))


def test_where_nobody_is_confident_nobody_is_pushed():
    x = replace(random_loss_input(), confident=torch.zeros(6) > 0)
    anchor = x.anchor.requires_grad_()
    loss = CCL()(x)
    loss.sum().backward()
    assert loss.abs().max() < 1e-6
    assert anchor.grad.abs().max() < 1e-6


def test_an_unsure_row_is_contrastive_negative_learning_from_the_confident_rows_of_the_batch():
    x = random_loss_input(7)
    x = replace(x, confident=torch.arange(7) > 0)
    pushed = x.complement[0, x.target.argmax(1)] & x.confident
    assert pushed.any()
    literal = ContrastiveNegative(similarity="cosine", tau=0.07)
    both = torch.cat([x.anchor, x.positive])
    mask = pushed.repeat(2)[None].expand(7, -1)
    first = literal(replace(x, negatives=both, negative_mask=mask))[0]
    turned = replace(x, anchor=x.positive, positive=x.anchor, negatives=both, negative_mask=mask)
    assert CCL()(x)[0].item() == pytest.approx((first + literal(turned)[0]).item() / 2, rel=1e-4)


def test_who_is_pushed_from_an_unsure_row_pushes_it_too():
    # two rows of one class, of which the first is sure; the second is held not to be of it
    x = random_loss_input(2)
    x = replace(
        x,
        target=torch.tensor([[1.0, 0, 0], [1.0, 0, 0]]),
        confident=torch.tensor([True, False]),
        complement=torch.tensor([[False, False, False], [True, False, False]]),
    )
    assert (CCL()(x) > 0).all()
    alone = replace(x, complement=torch.zeros(2, 3) > 0)
    assert CCL()(alone).abs().max() < 1e-6


def test_the_mean_is_over_the_positives_and_not_over_the_columns():
    x = replace(random_loss_input(2), confident=torch.tensor([True, False]))
    x = replace(
        x,
        target=torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]),
        complement=torch.tensor([[False] * 3, [True, False, False]]),
    )
    more = {
        name: torch.cat([getattr(x, name), getattr(x, name)[1:].repeat(20, 1)])
        for name in ("logits", "target", "complement", "anchor", "positive")
    }
    alike = random_loss_input(22)
    confident = torch.arange(22) == 0
    crowd = replace(alike, **more, confident=confident)
    assert CCL()(crowd)[1].item() == pytest.approx(CCL()(x)[1].item(), rel=1e-4)


@pytest.mark.parametrize("gone", ["target", "complement", "confident"])
def test_what_is_missing_is_refused(gone):
    with pytest.raises(ValueError, match="ccl needs target"):
        CCL()(replace(random_loss_input(), **{gone: None}))


def test_missing_views_are_refused():
    with pytest.raises(ValueError, match="ccl needs anchor"):
        CCL()(replace(random_loss_input(), anchor=None, positive=None))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValidationError, match="temperature"):
        CCL(temperature=0)
