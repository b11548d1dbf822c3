from collections import Counter
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.errors import BadInput
from conlst.negatives import MemoryBank, Uniform
from conlst.negatives.base import Memory
from conlst.testing import pool_of, random_pool
from tests.negatives.slow import Told, as_chance_would, seeded, unit


class Slow:
    """A memory as a dict of lists."""

    def __init__(self, momentum):
        self.momentum, self.kept = momentum, {}

    def remember(self, rows, outputs):
        for row, new in zip(rows, outputs, strict=True):
            if self.momentum:
                new = unit(new)
                if row in self.kept:
                    m, old = self.momentum, self.kept[row]
                    new = unit([m * a + (1 - m) * b for a, b in zip(old, new, strict=True)])
            self.kept[row] = new


@pytest.mark.oracle("negatives.memory_bank")
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("languages", ["all", "own", "other", {"th": 2.0, "ur": 1.0}], ids=str)
def test_it_agrees_with_a_slow_memory_through_several_batches(momentum, languages):
    pool = random_pool(120, languages=("sw", "th", "ur"))
    told, slow, g = Told(pool), Slow(momentum), seeded(1)
    bank = MemoryBank(count=5, share="anchor", momentum=momentum, languages=languages, empty="skip")
    bank = bank.build(pool)
    for _ in range(6):
        batch = torch.randperm(120, generator=g)[:25]
        asked = (pool.pseudo_label[batch] + 1) % 3
        found = bank.draw(pool, batch, asked, generator=g)
        for anchor, c, row in zip(batch.tolist(), asked.tolist(), found.tolist(), strict=True):
            allowed = [j for j in told.admissible(anchor, c, languages) if j in slow.kept]
            drawn = [j for j in row if j >= 0]
            assert set(drawn) <= set(allowed)
            assert len(set(drawn)) == len(drawn) == min(5, len(allowed))
        outputs = 3 * torch.randn(25, 4, generator=g)
        bank.remember(batch, outputs)
        slow.remember(batch.tolist(), outputs.tolist())
        known = torch.tensor(sorted(slow.kept))
        expected = torch.tensor([slow.kept[row] for row in known.tolist()])
        assert torch.allclose(bank.recall(known), expected, atol=1e-5)


@pytest.mark.oracle("negatives.memory_bank")
def test_every_row_that_is_remembered_is_drawn_as_often_as_any_other():
    pool = pool_of([[0.9, 0.1]] + [[0.1, 0.9]] * 9, confident=[True] * 10)
    bank = MemoryBank(count=2, share="anchor").build(pool)
    bank.remember(torch.tensor([1, 2, 5, 6, 9]), torch.zeros(5, 3))
    anchors = torch.zeros(3000, dtype=torch.int64)
    found = bank.draw(pool, anchors, torch.ones_like(anchors), generator=seeded())
    counts = Counter(found.flatten().tolist())
    assert set(counts) == {1, 2, 5, 6, 9}
    assert as_chance_would(list(counts.values()), [1200] * 5)


def test_it_is_a_memory():
    assert isinstance(MemoryBank().build(random_pool()), Memory)


def test_with_everything_remembered_it_draws_what_uniform_draws():
    pool = random_pool(150, languages=("sw", "th"))
    anchors = torch.arange(40)
    asked = (pool.pseudo_label[anchors] + 1) % 3
    for how in ({}, {"share": "anchor"}, {"languages": "other", "empty": "next_lowest"}):
        bank = MemoryBank(count=4, **how).build(pool)
        bank.remember(torch.arange(150), torch.zeros(150, 2))
        sampler = MemoryBank(count=4, **how)
        expected = Uniform(count=4, **how).draw(pool, anchors, asked, generator=seeded())
        for one in (bank, sampler):
            found = one.draw(pool, anchors, asked, generator=seeded())
            assert torch.equal(found, expected)


def test_of_nothing_remembered_there_are_no_negatives():
    pool = random_pool()
    for empty in ("most_confident", "error"):
        bank = MemoryBank(count=3, empty=empty).build(pool)
        found = bank.draw(pool, torch.tensor([0, 1]), torch.tensor([1, 2]), generator=seeded())
        assert found.tolist() == [[-1] * 3] * 2


def test_what_is_recalled_has_no_gradient_and_does_not_change_with_the_output():
    bank = MemoryBank().build(random_pool())
    outputs = torch.ones(2, 3, requires_grad=True)
    bank.remember(torch.tensor([4, 7]), outputs * 2)
    kept = bank.recall(torch.tensor([7, 4, 7]))
    assert not kept.requires_grad
    with torch.no_grad():
        outputs.mul_(5)
    assert torch.equal(bank.recall(torch.tensor([7, 4, 7])), kept)


def test_what_was_recalled_stays_as_it_was():
    bank = MemoryBank().build(random_pool())
    bank.remember(torch.tensor([3]), torch.ones(1, 2))
    kept = bank.recall(torch.tensor([3]))
    bank.remember(torch.tensor([3]), torch.zeros(1, 2))
    assert kept.tolist() == [[1, 1]]
    assert bank.recall(torch.tensor([3])).tolist() == [[0, 0]]


@pytest.mark.parametrize("rows", [[], [2]])
def test_a_row_of_which_nothing_was_remembered_cannot_be_recalled(rows):
    bank = MemoryBank().build(random_pool())
    if rows:
        bank.remember(torch.tensor(rows), torch.ones(len(rows), 2))
    with pytest.raises(ValueError, match="recall only what was drawn"):
        bank.recall(torch.tensor([2, 5]))


def test_outputs_of_lower_precision_are_kept_as_the_first_ones_were():
    bank = MemoryBank(momentum=0.5).build(random_pool())
    bank.remember(torch.arange(4), torch.eye(4))
    bank.remember(torch.arange(4), torch.eye(4).flip(0).bfloat16())
    kept = bank.recall(torch.arange(4))
    assert kept.dtype == torch.float32
    assert torch.allclose(kept, (torch.eye(4) + torch.eye(4).flip(0)) / 2**0.5)


def test_stages_do_not_share_a_memory():
    pool, sampler = random_pool(), MemoryBank()
    sampler.build(pool).remember(torch.arange(len(pool)), torch.zeros(len(pool), 2))
    with pytest.raises(ValueError, match="nothing was remembered"):
        sampler.build(pool).recall(torch.tensor([0]))


def test_what_stands_in_for_an_empty_class_is_remembered_too():
    pool = pool_of([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]], confident=[True, False, False])
    anchor, asked = torch.tensor([0]), torch.tensor([1])
    for empty, expected in {"most_confident": [2, -1], "skip": [-1, -1]}.items():
        bank = MemoryBank(count=2, empty=empty).build(pool)
        bank.remember(torch.tensor([0, 2]), torch.zeros(2, 2))
        assert bank.draw(pool, anchor, asked, generator=seeded()).tolist() == [expected]
    bank = MemoryBank(count=2, empty="error").build(pool)
    bank.remember(torch.tensor([0, 2]), torch.zeros(2, 2))
    with pytest.raises(BadInput, match="memory_bank: no confident row is predicted to be b;"):
        bank.draw(pool, anchor, asked, generator=seeded())


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_memory_that_would_never_change_is_refused(momentum):
    with pytest.raises(ValidationError, match="momentum"):
        MemoryBank(momentum=momentum)


def test_a_pool_that_does_not_say_who_is_confident_is_refused():
    pool = replace(random_pool(), confident=None)
    bank = MemoryBank().build(pool)
    bank.remember(torch.arange(len(pool)), torch.zeros(len(pool), 2))
    with pytest.raises(ValueError, match=r"contrastive\.confident"):
        bank.draw(pool, torch.tensor([0]), torch.tensor([1]), generator=seeded())
