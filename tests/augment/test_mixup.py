import pytest
import torch
from scipy.stats import beta

from conlst.augment import Mixup
from conlst.augment.mixup import _symmetric_beta


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def lambdas_and_partners(B, mixup, seed):
    """Read lambda and partner back from the mix of the rows of an identity matrix."""
    mixed, _ = mixup.features(
        torch.eye(B, dtype=torch.float64), torch.eye(B), generator=seeded(seed)
    )
    found = []
    for b, row in enumerate(mixed.tolist()):
        others = [c for c in range(B) if c != b and row[c] > 0]
        found.append((row[b], others[0] if others else b))
    return found


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


def test_one_lambda_a_batch_and_partners_are_a_permutation():
    found = lambdas_and_partners(12, Mixup(), seed=5)
    shares = {round(share, 9) for share, partner in found if share < 1}
    assert len(shares) == 1
    assert sorted(partner for _, partner in found) == list(range(12))


def test_per_pair_draws_a_lambda_for_each_row():
    shares = {round(share, 9) for share, _ in lambdas_and_partners(12, Mixup(per_pair=True), 5)}
    assert len(shares) > 8


def test_targets_are_mixed_as_the_features_are():
    B = 8
    mixed, target = Mixup(per_pair=True).features(torch.eye(B), torch.eye(B), generator=seeded(1))
    assert torch.equal(mixed, target)


def test_the_loss_of_the_mixed_target_is_the_mix_of_the_losses():
    logits, target = torch.randn(6, 3, generator=seeded(1)), torch.eye(3).repeat(2, 1)
    found = lambdas_and_partners(6, Mixup(), seed=2)
    _, mixed = Mixup().features(logits, target, generator=seeded(2))
    log_p = logits.log_softmax(1)
    loss = -(mixed * log_p).sum(1)
    for b, (share, partner) in enumerate(found):
        apart = -share * (target[b] @ log_p[b]) - (1 - share) * (target[partner] @ log_p[b])
        assert loss[b].item() == pytest.approx(apart.item(), abs=1e-5)


def test_the_encoder_learns_through_the_mix():
    # USB's mixup_one_target runs under no_grad: only the classifier head would learn.
    encoder = torch.nn.Linear(4, 4)
    features, _ = Mixup().features(encoder(torch.randn(6, 4)), torch.eye(6), generator=seeded())
    features.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_a_single_row_stays_as_it_is():
    h, y = torch.randn(1, 4), torch.ones(1, 1)
    mixed, target = Mixup().features(h, y, generator=seeded())
    assert torch.allclose(mixed, h)
    assert torch.allclose(target, y)
