import pytest
import torch

from conlst.negatives import ConfidenceGated, Random
from conlst.testing import random_pool


@pytest.mark.oracle("labellers.random")
def test_every_class_but_the_pseudo_label_is_admissible_whoever_is_confident():
    pool = random_pool(30, 4)
    mask = Random()(pool, generator=torch.Generator())
    for row, q in zip(mask.tolist(), pool.probs_NC.tolist(), strict=True):
        assert row == [k != q.index(max(q)) for k in range(4)]


def test_it_is_the_gate_with_everyone_confident():
    pool = random_pool(30, 4, gamma=0.0)
    generator = torch.Generator()
    gated = ConfidenceGated()(pool, generator=generator)
    assert torch.equal(Random()(pool, generator=generator), gated)
