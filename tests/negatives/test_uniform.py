import time
from collections import Counter
from dataclasses import replace

import pytest
import torch

from conlst.errors import BadInput
from conlst.negatives import Uniform
from conlst.testing import pool_of, random_pool


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def two_classes(sizes, *, groups=None):
    """Confident rows: so many of class a, then so many of class b."""
    a, b = sizes
    return pool_of([[0.9, 0.1]] * a + [[0.1, 0.9]] * b, groups=groups, confident=[True] * (a + b))


def admissible(pool, anchor, asked):
    """Eq. 5 without the draw, one row at a time."""
    rows = range(len(pool))
    return {
        j
        for j in rows
        if pool.confident[j]
        and pool.probs_NC[j].argmax() == asked
        and pool.group[j] != pool.group[anchor]
    }


@pytest.mark.parametrize("K", [1, 2, 5, 40])
@pytest.mark.parametrize("share", ["anchor", "class"])
def test_rows_are_admissible_distinct_and_as_many_as_there_can_be(K, share):
    pool = random_pool(300, languages=("sw", "th", "ur"))
    anchors = torch.arange(0, 300, 7)
    asked = (pool.pseudo_label[anchors] + 1) % 3
    found = Uniform(count=K, share=share)(pool, anchors, asked, generator=seeded())
    for anchor, c, row in zip(anchors.tolist(), asked.tolist(), found.tolist(), strict=True):
        drawn = [j for j in row if j >= 0]
        allowed = admissible(pool, anchor, c)
        assert set(drawn) <= allowed
        assert len(set(drawn)) == len(drawn) == min(K, len(allowed))


@pytest.mark.parametrize("size", [6, 60])  # shuffled whole, and by rejection
def test_every_row_is_drawn_as_often_as_any_other(size):
    pool = two_classes((1, size))
    K, anchors = 3, torch.zeros(8000, dtype=torch.int64)
    found = Uniform(count=K, share="anchor")(
        pool, anchors, torch.ones_like(anchors), generator=seeded(1)
    )
    for column in (*found.T, found.flatten()):
        counts = torch.bincount(column, minlength=size + 1)[1:].float()
        expected = len(column) / size
        chi_square = ((counts - expected) ** 2 / expected).sum()
        assert chi_square < size - 1 + 5 * (2 * (size - 1)) ** 0.5


def test_every_pair_of_rows_is_drawn_as_often_as_any_other():
    pool = two_classes((1, 5))
    anchors = torch.zeros(6000, dtype=torch.int64)
    sampler = Uniform(count=2, share="anchor")
    found = sampler(pool, anchors, torch.ones_like(anchors), generator=seeded(2))
    counts = Counter(tuple(sorted(row)) for row in found.tolist())
    assert len(counts) == 10
    assert all(abs(n - 600) < 130 for n in counts.values())


def test_translations_of_the_anchor_are_left_out():
    groups = [0, *[0] * 10, *range(1, 11)]  # half of class b are translations of the anchor
    pool = two_classes((1, 20), groups=groups)
    for seed in range(20):
        found = Uniform(count=8, share="anchor")(
            pool, torch.tensor([0]), torch.tensor([1]), generator=seeded(seed)
        )
        assert sorted(found[0].tolist())[0] > 10


def test_a_long_list_full_of_translations_is_searched_to_its_end():
    pool = two_classes((1, 500), groups=[0] * 499 + [1, 2])  # two rows are no translations
    found = Uniform(count=4, share="anchor")(
        pool, torch.tensor([0]), torch.tensor([1]), generator=seeded()
    )
    assert sorted(found[0].tolist()) == [-1, -1, 499, 500]


def test_anchors_of_one_class_share_a_draw_or_have_their_own():
    pool = two_classes((40, 400))
    anchors, asked = torch.arange(40), torch.ones(40, dtype=torch.int64)
    shared = Uniform(count=5).draw(pool, anchors, asked, generator=seeded())
    own = Uniform(count=5, share="anchor").draw(pool, anchors, asked, generator=seeded())
    assert len(shared.unique()) == 5
    assert len(own.unique()) > 50


def test_the_seed_decides():
    pool = random_pool(100)
    anchors = torch.arange(20)
    asked = (pool.pseudo_label[anchors] + 1) % 3
    draws = [Uniform().draw(pool, anchors, asked, generator=seeded(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


class TestAClassWithoutConfidentRows:
    """Class c is predicted for rows 4 to 7, never with confidence."""

    PROBS = (
        [0.90, 0.08, 0.02], [0.05, 0.90, 0.05], [0.05, 0.91, 0.04], [0.04, 0.92, 0.04],
        [0.30, 0.30, 0.40], [0.20, 0.20, 0.60], [0.25, 0.25, 0.50], [0.20, 0.35, 0.45],
    )  # fmt: skip
    POOL = pool_of(PROBS, confident=[True] * 4 + [False] * 4, groups=[0, 1, 2, 3, 4, 5, 0, 7])
    ANCHORS, ASKED = torch.tensor([0, 1]), torch.tensor([2, 2])

    def draw(self, empty, **how):
        sampler = Uniform(empty=empty, count=2, **how)
        return sampler.draw(self.POOL, self.ANCHORS, self.ASKED, generator=seeded()).tolist()

    def test_its_most_confident_rows_stand_in(self):
        assert self.draw("most_confident", share="anchor") == [[5, 7], [5, 6]]  # 6 translates 0

    def test_they_may_be_shared_too(self):
        assert self.draw("most_confident") == [[5, 7], [5, 7]]

    def test_the_anchor_may_have_none(self):
        assert self.draw("skip") == [[-1, -1], [-1, -1]]

    @pytest.mark.parametrize("share", ["anchor", "class"])
    def test_the_next_lowest_class_is_each_anchors_own(self, share):
        first, second = self.draw("next_lowest", share=share)
        assert set(first) < {1, 2, 3}  # row 0 is of class a: its next lowest is b
        assert sorted(second) == [-1, 0]  # row 1 is of class b: its next lowest is a

    def test_it_may_be_an_error_that_names_the_class(self):
        with pytest.raises(BadInput, match=r"predicted to be c; .*most_confident"):
            self.draw("error")

    def test_a_class_that_has_some_is_drawn_as_ever(self):
        for empty in ("most_confident", "skip", "next_lowest", "error"):
            found = Uniform(empty=empty, count=3)(
                self.POOL, torch.tensor([0]), torch.tensor([1]), generator=seeded()
            )
            assert sorted(found[0].tolist()) == [1, 2, 3]

    def test_nobody_confident_at_all(self):
        pool = replace(self.POOL, confident=torch.zeros(8, dtype=torch.bool))
        for empty, expected in {"skip": [-1, -1], "next_lowest": [-1, -1]}.items():
            found = Uniform(empty=empty, count=2)(
                pool, torch.tensor([1]), torch.tensor([0]), generator=seeded()
            )
            assert found[0].tolist() == expected
        stand_in = Uniform(count=2)(pool, torch.tensor([1]), torch.tensor([0]), generator=seeded())
        assert stand_in[0].tolist() == [0, -1]


def test_a_draw_costs_the_same_at_any_pool_size():
    def seconds(N):
        probs = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).repeat(N // 2, 1)
        pool = pool_of(probs, confident=torch.ones(N, dtype=torch.bool))
        anchors = torch.arange(32)
        sampler = Uniform(share="anchor")
        best = float("inf")
        for trial in range(12):
            start = time.perf_counter()
            sampler(pool, anchors, 1 - pool.pseudo_label[anchors], generator=seeded(trial))
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(400_000) < 10 * seconds(4_000)  # a hundredfold pool


def test_a_pool_that_does_not_say_who_is_confident_is_refused():
    with pytest.raises(ValueError, match=r"contrastive\.confident"):
        Uniform()(pool_of([[0.9, 0.1]]), torch.tensor([0]), torch.tensor([1]), generator=seeded())
