"""Quick draws from long lists: the same chances as by the whole way."""

from collections import Counter

import pytest
import torch

from conlst.negatives import Faiss, MemoryBank, Uniform
from conlst.negatives.by_class import Drawing
from conlst.negatives.long_lists import LONG
from conlst.testing import pool_of, random_pool
from tests.negatives.slow import as_chance_would, seeded

K = 2


def pool_of_two(size, *, groups=None, **how):
    """So many confident rows of class a, then as many of class b."""
    probs = [[0.9, 0.1]] * size + [[0.1, 0.9]] * size
    return pool_of(probs, groups=groups, confident=[True] * (2 * size), **how)


def drawn(pool, anchors, asked, *, share, draws, seed=0, count=K):
    """Many draws; and how many of them were quick."""
    drawing, g = Uniform(count=count, share=share).build(pool), seeded(seed)
    anchors, asked = torch.tensor(anchors), torch.tensor(asked)
    quick = 0
    kept = drawing.long.draw

    def watched(*args, **how):
        nonlocal quick
        found = kept(*args, **how)
        quick += found is not None
        return found

    object.__setattr__(drawing.long, "draw", watched)
    found = [drawing.draw(pool, anchors, asked, generator=g) for _ in range(draws)]
    return torch.stack(found), quick


@pytest.mark.oracle("negatives.uniform")
@pytest.mark.parametrize("share", ["class", "anchor"])
def test_every_row_and_every_pair_is_drawn_as_often_as_any_other(share):
    """Lists just long enough, where repeats are as many as they may be."""
    size = LONG * K + 1
    found, quick = drawn(pool_of_two(size), [0, size], [1, 0], share=share, draws=6000)
    assert 0.9 * 6000 < quick < 6000  # and the two ways are one distribution
    for b, low in enumerate((size, 0)):
        pairs = (found[:, b] - low).tolist()
        assert all(0 <= i < size and 0 <= j < size and i != j for i, j in pairs)
        for place in range(K):
            counts = Counter(pair[place] for pair in pairs)
            assert as_chance_would([counts[i] for i in range(size)], [6000 / size] * size)
        counts = Counter(map(tuple, pairs))
        every = [(i, j) for i in range(size) for j in range(size) if i != j]
        assert as_chance_would([counts[pair] for pair in every], [6000 / len(every)] * len(every))


def test_repeats_are_made_good():
    """Of 16 rows out of 257 some are drawn twice in every other draw."""
    size = LONG * 16 + 1
    found, quick = drawn(pool_of_two(size), [0] * 9, [1] * 9, share="anchor", draws=400, count=16)
    assert quick > 350
    counts = torch.bincount(found.flatten(), minlength=2 * size)
    assert counts[:size].sum() == 0
    assert all(len(set(row)) == 16 for row in found.flatten(0, 1).tolist())
    assert as_chance_would(counts[size:].tolist(), [9 * 400 * 16 / size] * size)


@pytest.mark.oracle("negatives.uniform")
@pytest.mark.parametrize("share", ["class", "anchor"])
def test_a_translation_of_who_draws_is_never_drawn_and_all_others_alike(share):
    size = LONG * K + 8
    groups = [*range(size), 0, 0, 0, 1, *range(size, 2 * size - 4)]  # of row 0 three, of row 1 one
    pool = pool_of_two(size, groups=groups)
    found, quick = drawn(pool, [0, 1], [1, 1], share=share, draws=6000)
    assert 3000 < quick < 6000
    first, second = found[:, 0].flatten(), found[:, 1].flatten()
    counts = torch.bincount(first, minlength=2 * size).tolist()
    assert counts[: size + 3] == [0] * (size + 3)
    assert as_chance_would(counts[size + 3 :], [12000 / (size - 3)] * (size - 3))
    if share == "anchor":
        assert not bool(torch.isin(second, torch.tensor([-1, size + 3])).any())
    else:  # who shares does without
        own = first == size + 3
        assert torch.equal(second, first.masked_fill(own, -1))
        assert bool(own.any())


def test_a_draw_of_the_batch_knows_who_asked_for_what():
    pool = random_pool(4000, gamma=0.0)
    assert Uniform().build(pool).long is not None
    anchors = torch.arange(0, 4000, 100)
    asked = (pool.pseudo_label[anchors] + 1) % 3
    for share in ("class", "anchor"):
        found = Uniform(share=share).draw(pool, anchors, asked, generator=seeded())
        assert torch.equal(pool.pseudo_label[found], asked[:, None].expand(-1, 16))
        assert found.dtype == torch.int64
        own = pool.group[found] == pool.group[anchors][:, None]
        assert not bool(own.any())


def test_only_draws_at_random_from_lists_that_are_all_long_are_quick():
    many, few = random_pool(4000, gamma=0.0), random_pool(400, gamma=0.0)
    assert Uniform().build(few).long is None
    assert Uniform(languages="own").build(many).long is None
    assert Faiss(exact_up_to=10_000).build(many).long is None
    assert isinstance(Uniform().build(many), Drawing)
    bank = MemoryBank().build(many)
    bank.remember(torch.arange(4000), torch.zeros(4000, 2))
    found = bank.draw(many, torch.arange(4), torch.arange(4) % 3, generator=seeded())
    expected = Uniform().draw(many, torch.arange(4), torch.arange(4) % 3, generator=seeded())
    assert torch.equal(found, expected)
