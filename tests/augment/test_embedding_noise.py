import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Points
from conlst.augment import EmbeddingNoise
from conlst.testing import check, random_points


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def still(B, T, D):
    """Embeddings that are all 0, so that what comes out is the noise."""
    ones = torch.ones(B, T, dtype=torch.int64)
    return Points(torch.zeros(B, T, D), torch.ones(B, 1), torch.zeros(B), ones, ones == 0)


def of_a_coordinate(distribution, D):
    """P(delta_d / eps <= x): of the ball, the share of its volume below x."""
    if distribution == "uniform":
        return lambda x: (x + 1) / 2
    if distribution == "normal":
        return lambda x: (1 + math.erf(x / math.sqrt(2))) / 2
    return {
        1: lambda x: (x + 1) / 2,
        2: lambda x: 0.5 + (x * math.sqrt(1 - x * x) + math.asin(x)) / math.pi,
        3: lambda x: (2 + 3 * x - x**3) / 4,
    }[D]


@pytest.mark.oracle("augmenters.embedding_noise")
@pytest.mark.parametrize("distribution", ["uniform", "normal", "ball"])
@pytest.mark.parametrize("D", [1, 2, 3])
@pytest.mark.parametrize("eps", [1e-5, 0.7])
def test_every_coordinate_is_distributed_as_the_formula_says(distribution, D, eps):
    noise = EmbeddingNoise(distribution=distribution, eps=eps)
    delta = noise.states(still(60, 50, D), generator=seeded(D)).values.double() / eps
    below = of_a_coordinate(distribution, D)
    for d in range(D):
        values = delta[..., d].flatten().tolist()
        for x in (-0.9, -0.5, -0.1, 0.0, 0.3, 0.6, 0.95):
            p = below(x)
            share = sum(value <= x for value in values) / len(values)
            assert abs(share - p) <= 5 * math.sqrt(p * (1 - p) / len(values))


@pytest.mark.parametrize("D", [1, 4, 300])
def test_no_token_leaves_the_ball_and_its_radius_is_that_of_a_uniform_draw(D):
    delta = EmbeddingNoise(distribution="ball", eps=0.5).states(
        still(50, 40, D), generator=seeded()
    )
    radius = [math.sqrt(sum(x * x for x in token)) for token in delta.values.flatten(0, 1).tolist()]
    assert max(radius) <= 0.5 * (1 + 1e-6)
    for q in (0.1, 0.5, 0.9):
        inside = sum(r <= 0.5 * q ** (1 / D) for r in radius) / len(radius)
        assert inside == pytest.approx(q, abs=5 * math.sqrt(q * (1 - q) / len(radius)))


def test_uniform_noise_stays_within_eps():
    delta = EmbeddingNoise(eps=0.25).states(still(20, 20, 20), generator=seeded()).values
    assert 0.249 < delta.abs().max() <= 0.25


@pytest.mark.parametrize("distribution", ["uniform", "normal", "ball"])
def test_padding_is_not_moved_and_every_token_is_special_ones_too(distribution):
    points = random_points(6, T=7)
    noise = EmbeddingNoise(distribution=distribution, eps=0.1)
    made = noise.states(points, generator=seeded())
    moved_BT = (made.values != points.values).any(-1)
    assert torch.equal(moved_BT, points.attention_BT == 1)
    assert bool(moved_BT[points.special_BT & (points.attention_BT == 1)].all())
    assert torch.equal(made.target_BC, points.target_BC)


def test_states_without_an_attention_are_tokens_throughout():
    points = replace(random_points(3, T=4), attention_BT=None)
    made = EmbeddingNoise(eps=0.1).states(points, generator=seeded())
    assert bool((made.values != points.values).any(-1).all())


def test_half_precision_stays_half_precision():
    points = random_points(3, T=4)
    points = replace(points, values=points.values.bfloat16())
    made = EmbeddingNoise(eps=0.1).states(points, generator=seeded())
    assert made.values.dtype == torch.bfloat16


def test_the_embedding_matrix_learns_from_the_noised_pass_unless_detached():
    for detach in (False, True):
        embeddings = torch.nn.Embedding(9, 5)
        layer = torch.nn.Linear(5, 5)
        points = random_points(4, T=6)
        points = replace(points, values=embeddings(torch.arange(6).expand(4, -1)))
        made = EmbeddingNoise(detach=detach).states(points, generator=seeded())
        layer(made.values).square().sum().backward()
        assert layer.weight.grad.abs().sum() > 0
        assert (embeddings.weight.grad is None) == detach


@pytest.mark.parametrize("distribution", ["uniform", "normal", "ball"])
def test_it_keeps_the_contract(distribution):
    check(EmbeddingNoise(distribution=distribution, eps=0.1))


def test_it_works_on_the_embeddings():
    assert (EmbeddingNoise().level, EmbeddingNoise().at_layer) == ("states", 0)


@pytest.mark.parametrize("wrong", [{"eps": 0.0}, {"distribution": "gaussian"}])
def test_parameters_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        EmbeddingNoise(**wrong)
