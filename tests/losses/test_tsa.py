import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import LossInput
from conlst.losses import TSA, CrossEntropy
from conlst.testing import check, random_loss_input
from tests.losses.slow import cross_entropy, softmax

SCHEDULES = {
    "linear": lambda t: t,
    "exp": lambda t: math.exp(5 * (t - 1)),
    "log": lambda t: 1 - math.exp(-5 * t),
}


def slow(x, schedule):
    C = x.logits.shape[1]
    eta = SCHEDULES[schedule](x.progress) * (1 - 1 / C) + 1 / C
    rows = list(zip(x.logits.double().tolist(), x.target.tolist(), strict=True))
    kept = [softmax(z)[y.index(max(y))] <= eta for z, y in rows]
    scale = len(rows) / max(sum(kept), 1)
    return [
        scale * cross_entropy(z, y) if keep else 0.0
        for (z, y), keep in zip(rows, kept, strict=True)
    ]


@pytest.mark.oracle("losses.tsa")
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("t", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("C", [2, 5])
def test_it_agrees_with_a_slow_loop(C, t, schedule):
    x = replace(random_loss_input(50, C, seed=C), progress=t)
    x = replace(x, logits=2 * x.logits)
    loss = TSA(schedule=schedule)(x)
    assert loss.tolist() == pytest.approx(slow(x, schedule), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_it_keeps_the_contract(schedule):
    check(TSA(schedule=schedule))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_threshold_rises_from_chance_to_one(schedule):
    found = [TSA(schedule=schedule).threshold(t / 10, 3) for t in range(11)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(1 / 3, abs=0.005)
    assert found[-1] == pytest.approx(1, abs=0.005)


def test_exp_rises_late_and_log_early():
    exp, linear, log = (TSA(schedule=s).threshold(0.5, 3) for s in ("exp", "linear", "log"))
    assert exp < linear < log


def test_the_mean_over_the_batch_is_the_mean_over_the_kept_rows():
    x = random_loss_input(30)
    loss = TSA()(x)
    kept = loss > 0
    assert 0 < kept.sum() < 30
    assert loss.mean().item() == pytest.approx(CrossEntropy()(x)[kept].mean().item(), rel=1e-5)


def test_a_surely_wrong_row_is_kept_whatever_the_largest_probability_is():
    x = LossInput(torch.tensor([[0.0, 6.0]]), target=torch.tensor([[1.0, 0.0]]), progress=0.0)
    assert TSA(schedule="linear")(x).item() == pytest.approx(6.0, abs=0.01)


def test_where_all_rows_are_learnt_nothing_is_left_and_nothing_is_nan():
    logits = torch.tensor([[6.0, 0.0], [0.0, 6.0]], requires_grad=True)
    loss = TSA()(LossInput(logits, target=torch.eye(2)))
    loss.sum().backward()
    assert loss.tolist() == [0, 0]
    assert logits.grad.abs().sum() == 0


def test_at_the_end_it_is_plain_cross_entropy():
    x = replace(random_loss_input(), progress=1.0)
    assert torch.allclose(TSA()(x), CrossEntropy()(x))


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="tsa needs target"):
        TSA()(LossInput(torch.zeros(1, 2)))


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValidationError, match="schedule"):
        TSA(schedule="cosine")
