import math
import random

import pytest
import torch
from pydantic import ValidationError

from conlst.selectors import GMM, selectors
from conlst.testing import check, edge_pools, pool_of, random_pool


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("part", [GMM(), GMM(posterior=0.95), GMM(posterior=1.0)], ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


def slow_mixture(x):
    """EM of two bell curves over floats, from the two ends: (weight, mean, variance) of each."""
    curves = [(0.5, min(x), 0.05), (0.5, max(x), 0.05)]
    for _ in range(300):
        shares = [responsibilities(curves, one) for one in x]
        curves = []
        for k in range(2):
            r = [share[k] for share in shares]
            mean = sum(a * b for a, b in zip(r, x, strict=True)) / sum(r)
            spread = sum(a * (b - mean) ** 2 for a, b in zip(r, x, strict=True)) / sum(r)
            curves.append((sum(r) / len(x), mean, spread + 5e-4))
    return sorted(curves, key=lambda curve: curve[1])


def responsibilities(curves, one):
    at = [w * math.exp(-((one - m) ** 2) / (2 * v)) / math.sqrt(v) for w, m, v in curves]
    return [a / sum(at) for a in at]


def two_kinds(seed, sure=60, unsure=40):
    """Rows that the model is sure of, and rows that it is not."""
    generator = seeded(seed)
    top = torch.cat(
        [
            0.97 + 0.02 * torch.rand(sure, generator=generator),
            0.40 + 0.15 * torch.rand(unsure, generator=generator),
        ]
    )
    rest = (1 - top) / 2
    return pool_of(torch.stack([rest, top, rest], 1))


@pytest.mark.oracle("selectors.gmm")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("posterior", [0.5, 0.9])
def test_it_agrees_with_a_slow_em(seed, posterior):
    pool = two_kinds(seed)
    loss = [-math.log(max(q)) for q in pool.probs_NC.tolist()]
    x = [(one - min(loss)) / (max(loss) - min(loss)) for one in loss]
    low, high = slow_mixture(x)
    clean = [responsibilities([low, high], one)[0] if one < high[1] else 0.0 for one in x]
    part = GMM(posterior=posterior)
    assert part.clean(pool, generator=seeded()).tolist() == pytest.approx(clean, abs=0.02)
    kept = [n for n, p in enumerate(clean) if p >= posterior]
    assert part(pool, generator=seeded()).index.tolist() == kept


def test_the_sure_are_told_from_the_unsure():
    found = GMM()(two_kinds(9), generator=seeded())
    assert found.index.tolist() == list(range(60))
    assert found.target_KC.argmax(1).tolist() == [1] * 60


def test_a_low_component_that_is_wide_does_not_claim_the_largest_losses():
    top = torch.cat([torch.linspace(0.36, 0.99, 200), 0.42 + torch.linspace(0, 0.003, 600)])
    rest = (1 - top) / 2
    pool = pool_of(torch.stack([top, rest, rest], 1))
    clean = GMM().clean(pool, generator=seeded())
    order = pool.confidence.argsort(descending=True)
    kept = (clean[order] >= 0.5).int()
    assert 0 < kept.sum() < 200
    assert (kept.diff() <= 0).all()  # once a row is not kept, no row less sure is


def test_a_row_close_to_rows_that_are_all_alike_belongs_to_them():
    top = torch.cat([torch.full((50,), 0.95), torch.tensor([0.92]), torch.linspace(0.4, 0.6, 50)])
    rest = (1 - top) / 2
    found = GMM()(pool_of(torch.stack([top, rest, rest], 1)), generator=seeded())
    assert found.index.tolist() == list(range(51))


@pytest.mark.parametrize("case", ["all classes equal", "one row"])
def test_losses_that_cannot_be_told_apart_keep_nobody(case):
    assert len(GMM()(edge_pools()[case], generator=seeded()).index) == 0


def test_losses_that_differ_by_rounding_alone_keep_nobody():
    pool = pool_of(torch.tensor([[0.7, 0.3], [0.7 + 6e-8, 0.3]]))
    assert pool.confidence[0] != pool.confidence[1]
    assert len(GMM()(pool, generator=seeded()).index) == 0


def test_two_rows_and_no_rows_are_pools_too():
    pool = pool_of([[0.9, 0.1], [0.6, 0.4]])
    assert GMM()(pool, generator=seeded()).index.tolist() == [0]
    empty = pool.take(torch.tensor([], dtype=torch.int64))
    assert len(GMM()(empty, generator=seeded()).index) == 0


def test_chance_comes_from_the_generator_alone():
    pool, state = random_pool(60), random.getstate()
    first = GMM().clean(pool, generator=seeded(3))
    torch.manual_seed(0)
    assert torch.equal(first, GMM().clean(pool, generator=seeded(3)))
    assert random.getstate() == state


def test_within_a_language_it_draws_its_own_line():
    easy, hard = two_kinds(1, 30, 20), two_kinds(2, 30, 20)
    blurred = 0.5 * hard.probs_NC + 0.5 / 3
    pool = pool_of(torch.cat([easy.probs_NC, blurred]), languages=["sw"] * 50 + ["th"] * 50)
    each = selectors.validate({"type": "per_language", "selector": {"type": "gmm"}})
    assert each(pool, generator=seeded()).index.tolist() == [*range(30), *range(50, 80)]


@pytest.mark.parametrize("posterior", [0, 1.01, -0.5])
def test_a_posterior_that_is_no_probability_is_refused(posterior):
    with pytest.raises(ValidationError, match="posterior"):
        GMM.model_validate({"posterior": posterior})
