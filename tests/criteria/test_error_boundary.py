import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Selection, SourceView
from conlst.criteria import ErrorBoundary
from conlst.testing import check, pool_of, random_pool

NAN = math.nan


def value(pool, **fields):
    return ErrorBoundary(**fields)(pool, before=None, source_accuracy=0.5)


def slow(pool, k, delta, weight):
    """-eps of the formula, one selected row at a time."""
    last = pool.history[-1]
    vectors = [pool.features_ND[n].double() for n in last.index.tolist()]
    labels = [row.index(max(row)) for row in last.target_KC.tolist()]
    K = len(vectors)
    vectors += list(pool.source.features_SD.double())
    labels += pool.source.label.tolist()
    m, noise = len(vectors), 0.0
    for i in range(K):
        cosines = [
            (float(vectors[i] @ v / (vectors[i].norm() * v.norm())), labels[j])
            for j, v in enumerate(vectors)
            if j != i
        ]
        J = total = squares = 0.0
        for cos, label in sorted(cosines, reverse=True)[:k]:
            w = max(cos, 0) if weight == "cosine" else 1 / (1 + math.sqrt(max(2 - 2 * cos, 0)))
            J, total, squares = J + w * (label != labels[i]), total + w, squares + w * w
        pi = labels.count(labels[i]) / m
        z = (J - (1 - pi) * total) / math.sqrt(pi * (1 - pi) * squares)
        noise += (1 + math.erf(z / math.sqrt(2))) / 2 / K
    noise = min(noise, 0.5 - 0.5 / m)
    return -math.sqrt(2 * math.log(2 * len(pool) / delta) / (m * (1 - 2 * noise) ** 2))


def drawn_together(pool, strength):
    """The same pool with features near to those of their class."""
    place_CD = torch.eye(3, pool.features_ND.shape[1]) * strength
    given_N = torch.arange(len(pool)) % 3
    source = replace(pool.source, features_SD=pool.source.features_SD + place_CD[pool.source.label])
    return replace(pool, features_ND=pool.features_ND + place_CD[given_N], source=source)


@pytest.mark.oracle("criteria.error_boundary")
@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
@pytest.mark.parametrize(
    ("k", "delta", "weight"), [(10, 0.05, "inverse_distance"), (3, 0.2, "cosine")]
)
def test_it_agrees_with_a_slow_loop(strength, k, delta, weight):
    for seed in range(3):
        pool = drawn_together(random_pool(60, source=30, rounds=2, seed=seed), strength)
        found = value(pool, k=k, delta=delta, weight=weight)
        assert found == pytest.approx(slow(pool, k, delta, weight), rel=1e-3)


@pytest.mark.parametrize("criterion", [ErrorBoundary(), ErrorBoundary(k=2, weight="cosine")])
def test_it_keeps_the_contract(criterion):
    check(criterion)


def after(selected, wrong=0, rows=40):
    """A pool of two classes well apart, of which so many rows were selected, some wrongly."""
    label = torch.arange(rows) % 2
    one_hot = torch.eye(2)[label]
    features = one_hot + 0.01 * torch.arange(rows)[:, None]
    given = torch.cat([one_hot[:wrong].flip(1), one_hot[wrong:selected]])
    history = (Selection(torch.arange(selected), given, torch.ones(selected)),)
    source = SourceView(one_hot[:20], features[:20], label[:20])
    return pool_of(one_hot, features_ND=features, source=source, history=history)


def test_more_rows_bring_the_boundary_down_and_noise_brings_it_up():
    assert value(after(20)) < value(after(40))
    assert value(after(40, wrong=4)) < value(after(40))
    assert value(after(40, wrong=8)) < value(after(40, wrong=4))


def test_a_negative_transfer_is_rolled_back():
    values = [NAN, value(after(20)), value(after(40)), value(after(40, wrong=10))]
    verdicts = [ErrorBoundary().verdict(values[: n + 1]) for n in range(4)]
    assert verdicts == ["go on", "go on", "go on", "roll back"]


def test_noise_as_great_as_chance_has_the_worst_value_yet_a_finite_one():
    worst = value(after(20, wrong=20))
    assert worst == pytest.approx(-math.sqrt(2 * math.log(2 * 40 / 0.05) * 40))
    assert worst < value(after(20, wrong=8))
    assert ErrorBoundary().verdict([value(after(20)), worst]) == "roll back"


def test_only_the_last_iteration_counts_and_with_the_labels_it_gave():
    pool = after(20)
    clean = pool.history[0]
    noisy = after(20, wrong=20).history[0]
    assert value(replace(pool, history=(noisy, clean))) == value(pool)
    assert value(replace(pool, history=(clean, noisy))) < value(pool)
    turned = replace(pool, probs_NC=pool.probs_NC.flip(1))  # what the model says now is not asked
    assert value(turned) == value(pool)


def test_a_soft_target_counts_as_its_largest_class():
    pool = after(20)
    soft = replace(pool.history[0], target_KC=pool.history[0].target_KC * 0.8 + 0.1)
    assert value(replace(pool, history=(soft,))) == value(pool)


def test_nothing_selected_is_nothing_to_stand_on():
    assert math.isnan(value(after(0)))
    assert math.isnan(value(random_pool(source=12)))


def test_labels_of_one_class_alone_are_as_noisy_as_chance():
    pool, worst = after(20), value(after(20, wrong=20))
    one = torch.zeros(20, dtype=torch.int64)
    history = (replace(pool.history[0], target_KC=torch.eye(2)[one]),)
    source = replace(pool.source, label=one)
    assert value(replace(pool, history=history, source=source)) == worst


@pytest.mark.parametrize("delta", [0.01, 0.5])
def test_delta_scales_all_values_alike(delta):
    pools = [after(20), after(40), after(40, wrong=8)]
    ratios = [value(pool, delta=delta) / value(pool) for pool in pools]
    assert ratios == pytest.approx([ratios[0]] * 3)


def test_source_rows_that_are_not_there_are_asked_for():
    with pytest.raises(ValueError, match="source"):
        value(random_pool(rounds=1))


@pytest.mark.parametrize("fields", [{"delta": 0}, {"delta": 1}, {"k": 0}, {"weight": "dot"}])
def test_parameters_outside_their_bounds_are_refused(fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        ErrorBoundary.model_validate(fields)
