from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from scipy.stats import beta

from conlst.arrays import Points
from conlst.augment import Mixup
from conlst.augment.mixup import _symmetric_beta
from conlst.testing import check, random_points
from tests.augment.frequencies import assert_frequencies

WHERE = ["pooled", "embeddings", 3]
PARTNERS = ["target", "source", "other_language"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def told_apart(B, T=0, *, languages=2, seed=0):
    """Points each of a class of its own, the source rows too: a mixed target says who is in it."""
    points = random_points(B, T=T, seed=seed, source=True)
    classes, language = torch.eye(2 * B, dtype=torch.float64), torch.arange(B) % languages
    source = replace(points.source, target_BC=classes[B:])
    return replace(points, target_BC=classes[:B], language=language, source=source)


def mixed_by(mixup, points, seed=0):
    how = mixup.features if mixup.level == "features" else mixup.states
    return how(points, generator=seeded(seed))


def lambdas_and_partners(made):
    """Read them off the mixed targets; a row that is mixed with itself is so by any lambda."""
    found = []
    for b, row in enumerate(made.target_BC.tolist()):
        others = [c for c, share in enumerate(row) if share > 0 and c != b]
        found.append((row[b], others[0] if others else b))
    return found


def slow_mix(points, b, share, partner):
    """Values, attention and special of the mixed row b, number by number."""
    B = len(points)
    other, c = (points.source, partner - B) if partner >= B else (points, partner)

    def mix(x, y):
        if isinstance(x, list):
            return [mix(p, q) for p, q in zip(x, y, strict=True)]
        return share * x + (1 - share) * y

    values = mix(points.values[b].tolist(), other.values[c].tolist())
    if points.attention_BT is None:
        return values, None, None
    tokens = zip(points.attention_BT[b].tolist(), other.attention_BT[c].tolist(), strict=True)
    special = zip(points.special_BT[b].tolist(), other.special_BT[c].tolist(), strict=True)
    return values, [int(p or q) for p, q in tokens], [p and q for p, q in special]


@pytest.mark.oracle("augmenters.mixup")
@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("partner", PARTNERS)
@pytest.mark.parametrize("per_pair", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_it_agrees_with_a_slow_loop(where, partner, per_pair, bias):
    mixup = Mixup(alpha=1.5, where=where, partner=partner, per_pair=per_pair, bias=bias)
    for seed in range(3):
        points = told_apart(9, T=0 if where == "pooled" else 6, languages=3, seed=seed)
        made = mixed_by(mixup, points, seed)
        for b, (share, other) in enumerate(lambdas_and_partners(made)):
            values, attention, special = slow_mix(points, b, share, other)
            assert torch.allclose(made.values[b], torch.tensor(values), atol=1e-6)
            if where != "pooled":
                assert made.attention_BT[b].tolist() == attention
                assert made.special_BT[b].tolist() == special
            assert made.target_BC[b, [b, other]].sum() == pytest.approx(1 if other != b else 2)
        assert torch.equal(made.language, points.language)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("partner", PARTNERS)
@pytest.mark.parametrize("options", [{}, {"alpha": 0.3, "per_pair": True}, {"bias": True}])
def test_it_keeps_the_contract(where, partner, options):
    check(Mixup(where=where, partner=partner, **options))


# ---- lambda ------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 4.0, 16.0])
def test_lambda_is_beta_distributed_for_any_alpha(alpha):
    values = _symmetric_beta(alpha, 20_000, seeded(3))
    for point in (1e-9, 1e-3, 0.1, 0.3, 0.45, 0.5, 0.6, 0.8, 0.99, 1 - 1e-6):
        p = beta(alpha, alpha).cdf(point)
        assert abs((values <= point).double().mean() - p) <= 4 * (p * (1 - p) / 20_000) ** 0.5
    assert bool(((values >= 0) & (values <= 1)).all())


def test_the_default_mixes_strongly():
    values = _symmetric_beta(4.0, 20_000, seeded())
    assert ((values > 0.25) & (values < 0.75)).float().mean() == pytest.approx(0.86, abs=0.01)


def test_a_vanishing_alpha_leaves_rows_as_they_are_and_no_nan():
    values = _symmetric_beta(1e-6, 1000, seeded())
    assert set(values.tolist()) == {0.0, 1.0}


def shares(mixup, seed=5):
    made = mixed_by(mixup, told_apart(12), seed)
    return {round(share, 9) for share, other in lambdas_and_partners(made) if share < 1}


def test_one_lambda_a_batch_unless_drawn_for_each_pair():
    assert len(shares(Mixup())) == 1
    assert len(shares(Mixup(per_pair=True))) > 8


def test_bias_lets_the_row_itself_outweigh_its_partner():
    plain = [shares(Mixup(), seed).pop() for seed in range(20)]
    biased = [shares(Mixup(bias=True), seed).pop() for seed in range(20)]
    assert biased == pytest.approx([max(share, 1 - share) for share in plain])
    assert min(plain) < 0.5


# ---- partners ----------------------------------------------------------------------------------


def partners(mixup, points, seed):
    return [other for _, other in lambdas_and_partners(mixed_by(mixup, points, seed))]


def test_partners_are_a_permutation_of_the_batch():
    seen = [partners(Mixup(), told_apart(3), seed) for seed in range(1200)]
    assert all(sorted(found) == [0, 1, 2] for found in seen)
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    assert_frequencies(map(tuple, seen), dict.fromkeys(orders, 1 / 6))


def test_the_source_row_beside_it_is_the_partner():
    assert partners(Mixup(partner="source"), told_apart(5), 0) == [5, 6, 7, 8, 9]


def test_partners_of_another_language_are_equally_likely_and_none_is_of_its_own():
    points = replace(told_apart(5), language=torch.tensor([0, 0, 1, 1, 2]))
    seen = [partners(Mixup(partner="other_language"), points, seed) for seed in range(1200)]
    assert_frequencies([found[0] for found in seen], dict.fromkeys([2, 3, 4], 1 / 3))
    assert_frequencies([found[2] for found in seen], dict.fromkeys([0, 1, 4], 1 / 3))
    assert_frequencies([found[4] for found in seen], dict.fromkeys([0, 1, 2, 3], 1 / 4))


def test_a_batch_of_one_language_is_left_as_it_is_by_partners_of_another():
    points = told_apart(4, languages=1)
    made = mixed_by(Mixup(partner="other_language"), points)
    assert torch.allclose(made.values, points.values)
    assert torch.allclose(made.target_BC, points.target_BC)


def test_a_single_row_stays_as_it_is():
    points = told_apart(1)
    made = mixed_by(Mixup(), points)
    assert torch.allclose(made.values, points.values)
    assert torch.allclose(made.target_BC, points.target_BC)


def test_source_partners_that_nobody_handed_in_are_asked_for():
    assert Mixup(partner="source").needs == {"source"}
    assert Mixup(partner="other_language").needs == {"languages"}
    assert Mixup().needs == frozenset()
    with pytest.raises(ValueError, match="source rows"):
        Mixup(partner="source").features(random_points(), generator=seeded())


# ---- targets and gradients ---------------------------------------------------------------------


def test_the_loss_of_the_mixed_target_is_the_mix_of_the_losses():
    points = told_apart(6)
    made = mixed_by(Mixup(), points, seed=2)
    log_p = torch.randn(6, 12, dtype=torch.float64, generator=seeded(1)).log_softmax(1)
    loss = -(made.target_BC * log_p).sum(1)
    for b, (share, other) in enumerate(lambdas_and_partners(made)):
        own, others = points.target_BC[b] @ log_p[b], points.target_BC[other] @ log_p[b]
        assert loss[b].item() == pytest.approx((-share * own - (1 - share) * others).item())


def test_the_encoder_learns_through_the_mix():
    # USB's mixup_one_target runs under no_grad: only the classifier head would learn.
    encoder = torch.nn.Linear(4, 4)
    points = Points(encoder(torch.randn(6, 4, generator=seeded())), torch.eye(6), torch.zeros(6))
    Mixup().features(points, generator=seeded()).values.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("partner", PARTNERS)
def test_gradients_reach_the_row_and_its_partner(where, partner):
    points = told_apart(4, T=0 if where == "pooled" else 5)
    source = replace(points.source, values=points.source.values.requires_grad_())
    points = replace(points, values=points.values.requires_grad_(), source=source)
    made = mixed_by(Mixup(where=where, partner=partner), points, seed=3)
    (share, other), *_ = lambdas_and_partners(made)
    assert other != 0
    made.values[0].sum().backward()
    reached = torch.cat(
        [points.values.grad, source.values.grad if other > 3 else points.values[:0]]
    )
    assert torch.allclose(reached[0], torch.full_like(reached[0], share))
    assert torch.allclose(reached[other], torch.full_like(reached[0], 1 - share))


# ---- states ------------------------------------------------------------------------------------


def test_the_end_of_a_longer_partner_is_attended_to():
    # MixText keeps the first row's mask after mixing.
    points = random_points(2, T=4)
    points = replace(
        points,
        attention_BT=torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]),
        special_BT=torch.tensor([[True, True, True, True], [True, False, False, True]]),
        language=torch.arange(2),
    )
    made = Mixup(where="embeddings", partner="other_language").states(points, generator=seeded())
    assert made.attention_BT.tolist() == [[1, 1, 1, 1]] * 2
    assert made.special_BT.tolist() == [[True, False, False, True]] * 2


def test_where_says_the_level_and_the_layer():
    found = [(Mixup(where=where).level, Mixup(where=where).at_layer) for where in WHERE]
    assert found == [("features", 0), ("states", 0), ("states", 3)]


def test_half_precision_stays_half_precision():
    points = random_points(4, T=3)
    points = replace(points, values=points.values.bfloat16())
    assert mixed_by(Mixup(where=1), points).values.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0.0}, {"where": 0}, {"where": "hidden"}, {"where": True}, {"partner": "own"}],
)
def test_parameters_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        Mixup(**wrong)
