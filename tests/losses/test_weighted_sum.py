import copy
import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from conlst.arrays import Sizes
from conlst.losses import (
    LEU,
    LOU,
    AttentionPull,
    CrossEntropy,
    Distillation,
    EmbeddingPush,
    Evidential,
    Negative,
    NLPlus,
    PLPlus,
    Readout,
    SimCSE,
    WeightedSum,
    losses,
)
from conlst.losses.base import readout_of
from conlst.testing import check, check_loss, random_loss_input
from tests.losses.slow import softmax

SIZES = Sizes(3, 5, ("en", "sw"))


@pytest.mark.oracle("losses.weighted_sum")
@pytest.mark.parametrize("weights", [None, [1.0, 1.0], [0.3, 2.0], [0.0, -1.0]])
def test_it_agrees_with_a_slow_loop(weights):
    x = random_loss_input(9)
    loss = WeightedSum(losses=[CrossEntropy(), Negative()], weights=weights)
    first, second = weights or (1, 1)
    expected = []
    rows = zip(x.logits.tolist(), x.target.tolist(), x.complement.tolist(), strict=True)
    for z, y, other in rows:
        p = softmax(z)
        surprise = -math.log(p[y.index(1)])
        expected.append(first * surprise - second * math.log(1 - p[other.index(True)]))
    assert loss(x).tolist() == pytest.approx(expected, rel=1e-4)
    assert torch.equal(loss.build(SIZES)(x), loss(x))


@pytest.mark.oracle("losses.weighted_sum")
def test_what_learns_inside_is_stepped_as_if_it_were_alone():
    x = random_loss_input()
    alone, joined = LOU().build(SIZES), WeightedSum(losses=[LOU(), CrossEntropy()]).build(SIZES)
    steps = [torch.optim.SGD(module.parameters(), lr=0.1) for module in (alone, joined)]
    for seed in range(4):
        x = random_loss_input(seed=seed)
        expected = alone(x) + CrossEntropy()(x)
        assert joined(x).tolist() == pytest.approx(expected.tolist(), rel=1e-5)
        for module, step in zip((alone, joined), steps, strict=True):
            step.zero_grad()
            module(x).sum().backward()
            step.step()
    (s,) = joined.parameters()
    assert torch.allclose(s, alone.s.weight)
    assert s.abs().min() > 0.01


@pytest.mark.parametrize(
    "loss",
    [
        WeightedSum(losses=[CrossEntropy()]),
        WeightedSum(losses=[NLPlus(), PLPlus()], weights=[1, 0.5]),
        WeightedSum(losses=[CrossEntropy(on="clean"), EmbeddingPush(cap=1.0)]),
        WeightedSum(losses=[CrossEntropy(), SimCSE()]),
        WeightedSum(losses=[LEU(), LOU()], weights=[1.0, 0.1]),
        WeightedSum(losses=[Distillation(), Evidential()]),
        WeightedSum(losses=[WeightedSum(losses=[Negative(), LEU()]), CrossEntropy()]),
    ],
    ids=lambda loss: "+".join(part.name for part in loss.losses),
)
def test_it_keeps_the_contract(loss):
    check(loss)


def test_ept_apt_is_a_sum_of_four():
    loss = WeightedSum(
        losses=[CrossEntropy(), EmbeddingPush(), CrossEntropy(on="clean"), AttentionPull()],
        weights=[1, 0.1, 1, 1],
    )
    assert loss.all_needs() == {"target", "clean", "embeddings", "attentions"}
    x = random_loss_input(layer=5)
    check_loss(loss, replace(x, attention={5: x.attention[5].requires_grad_()}))


def test_it_compares_rows_where_one_of_its_losses_does():
    assert WeightedSum(losses=[CrossEntropy(), SimCSE()]).compares_rows
    assert not WeightedSum(losses=[CrossEntropy(), Negative()]).compares_rows
    assert WeightedSum(losses=[WeightedSum(losses=[SimCSE()])]).compares_rows


def test_where_nothing_learns_nothing_is_built():
    loss = WeightedSum(losses=[CrossEntropy(), Negative()])
    assert loss.build(SIZES) is loss


def test_what_learns_is_trained_moved_copied_and_saved_with_the_sum():
    built = WeightedSum(losses=[CrossEntropy(), LOU(), LEU()]).build(SIZES)
    assert isinstance(built, nn.Module)
    assert {name for name, _ in built.named_parameters()} == {
        "learning.0.s.weight",
        "learning.1.head.weight",
        "learning.1.head.bias",
    }
    x = random_loss_input()
    twin = copy.deepcopy(built)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.5)
    assert not torch.allclose(twin(x), built(x))
    built.load_state_dict(twin.state_dict())
    assert torch.equal(twin(x), built(x))
    built.double()
    assert built(random_loss_input(dtype=torch.float64)).dtype == torch.float64


def test_it_reads_probabilities_as_the_one_loss_that_has_a_way_of_its_own():
    x = random_loss_input()
    leu = LEU().build(SIZES)
    for part, expected in (
        (Evidential(), Evidential().probabilities(x.logits, x.features)),
        (LEU(), leu.probabilities(x.logits, x.features)),
    ):
        loss = WeightedSum(losses=[Negative(), part])
        built = loss.build(SIZES)
        assert isinstance(built, Readout)
        assert torch.equal(built.probabilities(x.logits, x.features), expected)
    assert not isinstance(WeightedSum(losses=[CrossEntropy(), LOU()]).build(SIZES), Readout)


def test_who_reads_is_found_through_sums_of_sums():
    inner = WeightedSum(losses=[Negative(), Evidential()])
    assert readout_of(WeightedSum(losses=[CrossEntropy(), inner])) == Evidential()
    learning = WeightedSum(losses=[CrossEntropy(), LEU()])
    assert readout_of(learning) is learning
    assert readout_of(WeightedSum(losses=[CrossEntropy(), LOU()])) is None


def test_two_ways_of_reading_probabilities_are_refused():
    with pytest.raises(ValidationError, match="evidential and leu each read probabilities"):
        WeightedSum(losses=[Evidential(), CrossEntropy(), LEU()])
    with pytest.raises(ValidationError, match="weighted_sum and leu each read"):
        WeightedSum(losses=[WeightedSum(losses=[LEU()]), LEU()])


def test_it_is_called_only_once_built_where_a_loss_learns():
    with pytest.raises(TypeError, match="leu: call what build"):
        WeightedSum(losses=[CrossEntropy(), LEU()])(random_loss_input())


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1], "found 1 for 2"), ([1, math.inf], "finite"), ([1, math.nan], "finite")],
)
def test_weights_that_cannot_be_are_refused(weights, message):
    with pytest.raises(ValidationError, match=message):
        WeightedSum(losses=[CrossEntropy(), Negative()], weights=weights)


def test_no_loss_is_refused():
    with pytest.raises(ValidationError, match="losses"):
        WeightedSum(losses=[])


def test_errors_say_which_loss():
    with pytest.raises(ValidationError) as caught:
        losses.validate(
            {
                "type": "weighted_sum",
                "losses": [{"type": "simcse", "temperature": -1}, {"type": "x"}],
            }
        )
    first, second = caught.value.errors()
    assert first["loc"] == ("losses", 0, "temperature")
    assert second["loc"] == ("losses", 1, "type")
