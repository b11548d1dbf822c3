from collections import Counter
from dataclasses import replace

import pytest
import torch

from conlst.negatives import InBatch
from conlst.testing import pool_of, random_pool
from tests.negatives.slow import Told, as_chance_would, seeded


@pytest.mark.oracle("negatives.in_batch")
@pytest.mark.parametrize("languages", ["all", "own", "other", {"th": 1.0}], ids=str)
@pytest.mark.parametrize("K", [1, 3, 20])
def test_it_agrees_with_a_slow_loop(K, languages):
    for seed in range(3):
        pool = random_pool(200, languages=("sw", "th", "ur"), seed=seed)
        told, batch = Told(pool), torch.randperm(200, generator=seeded(seed))[:32]
        asked = (pool.pseudo_label[batch] + 1) % 3
        sampler = InBatch(count=K, share="anchor", languages=languages)
        found = sampler(pool, batch, asked, generator=seeded())
        for anchor, c, row in zip(batch.tolist(), asked.tolist(), found.tolist(), strict=True):
            allowed = [j for j in told.admissible(anchor, c, languages) if j in batch.tolist()]
            drawn = [j for j in row if j >= 0]
            assert set(drawn) <= set(allowed)
            assert len(set(drawn)) == len(drawn) == min(K, len(allowed))


@pytest.mark.oracle("negatives.in_batch")
def test_where_there_are_more_than_k_each_is_drawn_as_often_as_any_other():
    pool = pool_of([[0.9, 0.1]] + [[0.1, 0.9]] * 9, confident=[True] * 10)
    batch, asked = torch.tensor([0, 2, 3, 5, 8, 9]), torch.tensor([1] + [0] * 5)
    g, counts = seeded(), Counter()
    for _ in range(2000):
        row = InBatch(count=2)(pool, batch, asked, generator=g)[0].tolist()
        assert len(set(row)) == 2
        counts.update(row)
    assert set(counts) == {2, 3, 5, 8, 9}
    assert as_chance_would(list(counts.values()), [800] * 5)


def test_nothing_outside_the_batch_is_encoded():
    pool = random_pool(300, gamma=0.0)
    batch = torch.arange(0, 300, 10)
    asked = (pool.pseudo_label[batch] + 1) % 3
    for share in ("class", "anchor"):
        found = InBatch(share=share).draw(pool, batch, asked, generator=seeded())
        assert set(found.flatten().tolist()) <= {-1, *batch.tolist()}
        assert bool((found >= 0).any())


def test_anchors_that_share_a_draw_draw_from_the_whole_batch():
    pool = pool_of([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3, confident=[True] * 6)
    asked = torch.tensor([1, 1, 1, 0, 0, 0])
    found = InBatch(count=3).draw(pool, torch.arange(6), asked, generator=seeded())
    assert found.sort(1).values.tolist() == [[3, 4, 5]] * 3 + [[0, 1, 2]] * 3
    assert len({tuple(row) for row in found[:3].tolist()}) == 1


def test_a_row_that_is_twice_in_the_batch_is_one_negative():
    pool = pool_of([[0.9, 0.1], [0.1, 0.9]], confident=[True, True])
    batch, asked = torch.tensor([0, 1, 1]), torch.tensor([1, 0, 0])
    assert InBatch(count=2)(pool, batch, asked, generator=seeded())[0].tolist() == [1, -1]


def test_the_unsure_and_the_absent_are_no_negatives():
    pool = pool_of([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]], confident=[True, False, True])
    found = InBatch(count=2)(pool, torch.tensor([0, 1]), torch.tensor([1, 0]), generator=seeded())
    assert found.tolist() == [[-1, -1], [0, -1]]


def test_a_pool_that_does_not_say_who_is_confident_is_refused():
    pool = replace(random_pool(), confident=None)
    with pytest.raises(ValueError, match=r"contrastive\.confident"):
        InBatch().draw(pool, torch.tensor([0]), torch.tensor([1]), generator=seeded())
