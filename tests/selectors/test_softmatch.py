import math

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Sizes
from conlst.selectors.softmatch import SoftMatch
from conlst.testing import check, pool_of, random_pool

GENERATOR = torch.Generator()


@pytest.mark.parametrize(
    "softmatch", [SoftMatch(), SoftMatch(align="none"), SoftMatch(n_sigma=9, momentum=0)], ids=repr
)
def test_it_keeps_its_contract(softmatch):
    check(softmatch)


def slow_statistics(pool):
    """mu, sigma^2 (None of a single row) and p(c) of one look at a pool."""
    rows = pool.probs_NC.tolist()
    mu = sum(max(q) for q in rows) / len(rows)
    spread = sum((max(q) - mu) ** 2 for q in rows)
    p = [sum(q[c] for q in rows) / len(rows) for c in range(len(rows[0]))]
    return mu, spread / (len(rows) - 1) if len(rows) > 1 else None, p


def slow_weights(pool, n_sigma, align, mu, variance, p):
    weights = []
    for q in pool.probs_NC.tolist():
        if align == "uniform":
            r = [x * (1 / len(p) + 1e-6) / (seen + 1e-6) for x, seen in zip(q, p, strict=True)]
            q = [x / sum(r) for x in r]
        below = min(max(q) - mu, 0.0)
        weights.append(math.exp(-(below**2) / (2 * variance / n_sigma**2)))
    return weights


@pytest.mark.oracle("selectors.softmatch")
@pytest.mark.parametrize("n_sigma", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("align", ["uniform", "none"])
@pytest.mark.parametrize("C", [2, 3, 5])
@pytest.mark.parametrize("seed", range(2))
def test_it_agrees_with_a_slow_loop(n_sigma, align, C, seed):
    pool = random_pool(60, C, seed=seed)
    expected = slow_weights(pool, n_sigma, align, *slow_statistics(pool))
    selection = SoftMatch(n_sigma=n_sigma, align=align)(pool, generator=GENERATOR)
    assert selection.index.tolist() == list(range(60))
    assert selection.weight.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert selection.target_KC.argmax(1).tolist() == pool.pseudo_label.tolist()


def steps(N, B, epochs, C=3):
    """Batches of a pool whose predictions change at every step; the last of a pass has one row."""
    generator, seed = torch.Generator().manual_seed(5), 0
    for _ in range(epochs):
        for chunk in torch.randperm(N, generator=generator).split(B):
            seed += 1
            yield random_pool(N, C, seed=seed).take(chunk)


@pytest.mark.oracle("selectors.softmatch")
@pytest.mark.parametrize("momentum", [0.0, 0.8, 0.999])
@pytest.mark.parametrize("align", ["uniform", "none"])
@pytest.mark.parametrize("C", [2, 4])
def test_online_it_agrees_with_a_slow_loop(momentum, align, C):
    online = SoftMatch(align=align, momentum=momentum).build(Sizes(C, 8, ("sw", "th"), 29))
    mu, variance, p = 1 / C, 1.0, [1 / C] * C
    for batch in steps(29, 7, 3, C):
        now_mu, now_variance, now_p = slow_statistics(batch)
        mu = momentum * mu + (1 - momentum) * now_mu
        if now_variance is not None:
            variance = momentum * variance + (1 - momentum) * now_variance
        p = [momentum * old + (1 - momentum) * new for old, new in zip(p, now_p, strict=True)]
        expected = slow_weights(batch, 2.0, align, mu, variance, p)
        selection = online(batch, generator=GENERATOR)
        assert selection.weight.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)
        assert online.mu.mean.item() == pytest.approx(mu, rel=1e-5)
        assert online.variance.mean.item() == pytest.approx(variance, rel=1e-4)
        assert online.probs_C.mean.tolist() == pytest.approx(p, rel=1e-5)


def test_the_whole_pool_in_one_batch_without_memory_is_the_closed_form():
    pool = random_pool(60, seed=4)
    online = SoftMatch(momentum=0).build(Sizes(3, 8, pool.languages, 60))
    once = SoftMatch()(pool, generator=GENERATOR)
    assert torch.allclose(online(pool, generator=GENERATOR).weight, once.weight, rtol=1e-4)


def test_the_surest_half_counts_fully_and_the_rest_falls_off():
    pool = random_pool(100)
    weight = SoftMatch(align="none")(pool, generator=GENERATOR).weight
    above = pool.confidence >= pool.confidence.mean()
    assert (weight[above] == 1).all()
    assert (weight[~above] < 1).all()
    order = pool.confidence[~above].argsort()
    assert (weight[~above][order].diff() >= 0).all()


def test_a_larger_n_sigma_is_steeper():
    pool = random_pool(100)
    gentle, steep = (SoftMatch(n_sigma=n)(pool, generator=GENERATOR).weight for n in (1, 3))
    assert (steep <= gentle).all()
    assert steep.sum() < gentle.sum()


def test_alignment_changes_weights_but_never_labels():
    pool = pool_of([[0.95, 0.05]] * 8 + [[0.55, 0.45], [0.1, 0.9]])
    plain, uniform = (SoftMatch(align=a)(pool, generator=GENERATOR) for a in ("none", "uniform"))
    assert uniform.target_KC[8].tolist() == [1.0, 0.0]  # though aligned, b is the likelier
    assert uniform.weight[8] > plain.weight[8]
    assert uniform.weight[0] < plain.weight[0] == 1


def test_statistics_take_in_a_batch_before_it_is_aligned():
    plain, uniform = (
        SoftMatch(align=a, momentum=0.5).build(Sizes(2, 1, ("sw",), 10))
        for a in ("none", "uniform")
    )
    pool = pool_of([[0.95, 0.05]] * 8 + [[0.55, 0.45], [0.1, 0.9]])
    for online in (plain, uniform):
        online(pool, generator=GENERATOR)
    assert uniform.mu.mean == plain.mu.mean
    assert uniform.variance.mean == plain.variance.mean
    assert plain.mu.mean == pytest.approx(0.5 * 0.5 + 0.5 * pool.confidence.mean().item())


def test_a_row_whose_weight_underflows_is_dropped():
    pool = pool_of([[0.99, 0.01]] * 5000 + [[0.5, 0.5]])
    chosen = SoftMatch(align="none")(pool, generator=GENERATOR)
    assert chosen.index.tolist() == list(range(5000))


def test_rows_that_are_all_equally_sure_all_count_fully():
    for C in (2, 3, 7):
        pool = pool_of(torch.full((23, C), 1 / C))
        for align in ("none", "uniform"):
            chosen = SoftMatch(align=align)(pool, generator=GENERATOR)
            assert chosen.weight.tolist() == pytest.approx([1.0] * 23)


def test_a_single_row_has_no_variance_so_that_sigma_stays_at_its_start():
    row = pool_of([[0.6, 0.4]])
    assert SoftMatch(align="none")(row, generator=GENERATOR).weight.tolist() == [1.0]
    halves = SoftMatch()(row, generator=GENERATOR).weight.tolist()  # its own mean aligned: 1/2, 1/2
    assert halves == pytest.approx([math.exp(-(0.1**2) / (2 / 4))])
    online = SoftMatch(momentum=0.5).build(Sizes(2, 1, ("sw",), 1))
    online(row, generator=GENERATOR)
    assert online.variance.mean == 1
    assert online.mu.mean == pytest.approx(0.55)


def test_a_class_never_predicted_divides_nothing_by_zero():
    pool = pool_of([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    assert SoftMatch()(pool, generator=GENERATOR).weight.isfinite().all()


def test_an_empty_pool_selects_none():
    empty = random_pool(6).take(torch.tensor([], dtype=torch.int64))
    assert len(SoftMatch()(empty, generator=GENERATOR).index) == 0
    online = SoftMatch().build(Sizes(3, 8, ("sw", "th"), 6))
    assert len(online(empty, generator=GENERATOR).index) == 0
    assert all(value.isfinite().all() for value in online.state_dict().values())


@pytest.mark.parametrize("wrong", [{"n_sigma": 0}, {"momentum": 1}, {"align": "source"}])
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SoftMatch.model_validate(wrong)
