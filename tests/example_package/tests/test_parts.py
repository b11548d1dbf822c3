"""The whole contract of both kinds, for the price of two fixtures."""

import pytest
import torch
from conlst_margin.loss import Focal
from conlst_margin.selector import Margin

from conlst.testing import Documented, random_loss_input, random_pool


class TestMargin(Documented):
    @pytest.fixture(params=[Margin(), Margin(least=0.0), Margin(least=0.9)])
    def part(self, request):
        return request.param

    def test_it_keeps_rows_by_the_distance_of_their_two_largest_probabilities(self, part):
        pool = random_pool()
        kept = part(pool, generator=torch.Generator()).index.tolist()
        for n, probs in enumerate(pool.probs_NC.tolist()):
            first, second, *_ = sorted(probs, reverse=True)
            assert (n in kept) == (first - second >= part.least)


class TestFocal(Documented):
    @pytest.fixture
    def part(self):
        return Focal()

    def test_without_gamma_it_is_cross_entropy(self):
        x = random_loss_input()
        own = torch.nn.functional.cross_entropy(x.logits, x.target, reduction="none")
        assert torch.allclose(Focal(gamma=0.0)(x), own)
