import random
import time
from collections import Counter
from dataclasses import replace

import pytest
import torch

from conlst.errors import BadInput
from conlst.negatives import Uniform
from conlst.testing import pool_of, random_pool
from tests.negatives.slow import Told, as_chance_would, seeded


def two_classes(sizes, *, groups=None):
    """Confident rows: so many of class a, then so many of class b."""
    a, b = sizes
    return pool_of([[0.9, 0.1]] * a + [[0.1, 0.9]] * b, groups=groups, confident=[True] * (a + b))


@pytest.mark.oracle("negatives.uniform")
@pytest.mark.parametrize("K", [1, 2, 5, 40])
@pytest.mark.parametrize("share", ["anchor", "class"])
@pytest.mark.parametrize("languages", ["all", "own", "other", {"sw": 1.0, "ur": 0.2}], ids=str)
def test_rows_are_admissible_distinct_and_as_many_as_there_can_be(K, share, languages):
    pool = random_pool(300, languages=("sw", "th", "ur"))
    told, anchors = Told(pool), torch.arange(0, 300, 7)
    asked = (pool.pseudo_label[anchors] + 1) % 3
    sampler = Uniform(count=K, share=share, languages=languages)
    found = sampler(pool, anchors, asked, generator=seeded())
    for anchor, c, row in zip(anchors.tolist(), asked.tolist(), found.tolist(), strict=True):
        drawn = [j for j in row if j >= 0]
        allowed = told.admissible(anchor, c, languages)
        assert set(drawn) <= set(allowed)
        assert len(set(drawn)) == len(drawn) == min(K, len(allowed))


def in_languages(sizes, *, groups=None):
    """One confident row of class a in sw, then so many of class b in sw, th and ur."""
    codes = [code for code, n in zip(("sw", "th", "ur"), sizes, strict=True) for _ in range(n)]
    probs = [[0.9, 0.1]] + [[0.1, 0.9]] * sum(sizes)
    confident = [True] * len(probs)
    return pool_of(probs, languages=["sw", *codes], groups=groups, confident=confident)


@pytest.mark.oracle("negatives.uniform")
@pytest.mark.parametrize(
    ("languages", "sizes"),
    [("all", (3, 4, 5)), ("own", (7, 4, 5)), ("other", (3, 4, 5)), ("other", (9, 30, 40))],
)
def test_every_row_is_drawn_as_often_as_any_other_of_its_languages(languages, sizes):
    pool = in_languages(sizes)
    allowed, K = Told(pool).admissible(0, 1, languages), 2
    anchors = torch.zeros(6000, dtype=torch.int64)
    sampler = Uniform(count=K, share="anchor", languages=languages)
    found = sampler(pool, anchors, torch.ones_like(anchors), generator=seeded(3))
    for column in found.T:
        counts = Counter(column.tolist())
        assert set(counts) == set(allowed)
        expected = [len(column) / len(allowed)] * len(allowed)
        assert as_chance_would([counts[j] for j in allowed], expected)


def slow_weights(sizes, weights, K, chance):
    """The languages of K places, each drawn by weight among those that have a row left."""
    left, chosen = list(sizes), []
    for _ in range(min(K, sum(n for n, w in zip(sizes, weights, strict=True) if w))):
        able = [w if n else 0 for n, w in zip(left, weights, strict=True)]
        language = chance.choices(range(len(left)), able)[0]
        left[language] -= 1
        chosen.append(language)
    return tuple(chosen)


@pytest.mark.oracle("negatives.uniform")
@pytest.mark.parametrize(
    ("sizes", "weights"),
    [
        ((40, 40, 40), (1, 2, 5)),
        ((1, 2, 30), (4, 4, 1)),
        ((1, 1, 1), (1, 9, 0)),
        ((0, 3, 9), (5, 1, 1)),
    ],
)
def test_the_language_of_each_place_is_drawn_by_weight_among_those_that_have_a_row_left(
    sizes, weights
):
    pool, draws = in_languages(sizes), 4000
    anchors = torch.zeros(draws, dtype=torch.int64)
    languages = dict(zip(("sw", "th", "ur"), map(float, weights), strict=True))
    sampler = Uniform(count=3, share="anchor", languages=languages)
    found = sampler(pool, anchors, torch.ones_like(anchors), generator=seeded(4))
    places = found.where(found >= 0, 0)
    language = pool.language[places].where(found >= 0, -1)
    seen = Counter(tuple(i for i in row if i >= 0) for row in language.tolist())
    chance = random.Random(7)
    often = 10 * draws
    expected = Counter(slow_weights(sizes, weights, 3, chance) for _ in range(often))
    assert set(seen) <= set(expected)
    usual = [key for key in expected if expected[key] > 200]
    assert as_chance_would([seen[key] for key in usual], [expected[key] / 10 for key in usual])


def test_within_a_language_of_some_weight_every_row_is_drawn_alike():
    pool = in_languages((6, 6, 6))
    anchors = torch.zeros(6000, dtype=torch.int64)
    sampler = Uniform(count=2, share="anchor", languages={"th": 1.0, "ur": 3.0})
    found = sampler(pool, anchors, torch.ones_like(anchors), generator=seeded(5))
    counts = torch.bincount(found.flatten(), minlength=19).tolist()
    assert counts[:7] == [0] * 7
    assert as_chance_would(counts[7:13], [sum(counts[7:13]) / 6] * 6)
    assert as_chance_would(counts[13:], [sum(counts[13:]) / 6] * 6)


@pytest.mark.parametrize("size", [6, 60])  # shuffled whole, and by rejection
def test_every_row_is_drawn_as_often_as_any_other(size):
    pool = two_classes((1, size))
    K, anchors = 3, torch.zeros(8000, dtype=torch.int64)
    found = Uniform(count=K, share="anchor")(
        pool, anchors, torch.ones_like(anchors), generator=seeded(1)
    )
    for column in (*found.T, found.flatten()):
        counts = torch.bincount(column, minlength=size + 1)[1:].tolist()
        assert as_chance_would(counts, [len(column) / size] * size)


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

    @pytest.mark.parametrize("share", ["anchor", "class"])
    def test_the_next_lowest_class_is_never_the_anchors_own(self, share):
        only_a = replace(self.POOL, confident=torch.tensor([True] + [False] * 7))
        sampler = Uniform(empty="next_lowest", count=2, share=share)
        anchor, asked = torch.tensor([0]), torch.tensor([2])
        assert sampler.draw(only_a, anchor, asked, generator=seeded()).tolist() == [[-1, -1]]
        other = replace(only_a, group=torch.arange(8), confident=torch.arange(8) == 1)
        assert sampler.draw(other, torch.tensor([2]), asked, generator=seeded()).tolist() == [
            [-1, -1]
        ]

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


class TestAClassWithoutConfidentRowsInALanguage:
    """Class c has a confident row in sw alone; in th it is predicted twice, in ur never."""

    PROBS = (
        [0.90, 0.06, 0.04], [0.10, 0.05, 0.85],                      # sw: a, c
        [0.91, 0.06, 0.03], [0.05, 0.90, 0.05], [0.30, 0.30, 0.40], [0.20, 0.20, 0.60],  # th
        [0.93, 0.05, 0.02], [0.04, 0.92, 0.04],                      # ur: a, b
    )  # fmt: skip
    POOL = pool_of(
        PROBS,
        languages=["sw", "sw", "th", "th", "th", "th", "ur", "ur"],
        confident=[True, True, True, True, False, False, True, True],
    )

    def draw(self, anchor, empty, languages):
        sampler = Uniform(empty=empty, count=2, languages=languages)
        anchors = torch.tensor([anchor])
        return sampler.draw(self.POOL, anchors, torch.tensor([2]), generator=seeded())[0].tolist()

    def test_what_stands_in_is_in_the_right_language_too(self):
        assert self.draw(2, "most_confident", "own") == [5, 4]
        assert self.draw(6, "most_confident", "own") == [-1, -1]
        assert self.draw(0, "most_confident", "other") == [5, 4]
        assert self.draw(0, "most_confident", {"th": 1.0, "ur": 1.0}) == [5, 4]

    def test_the_others_are_one_ranking(self):
        anchor, asked = torch.tensor([7]), torch.tensor([0])
        pool = replace(self.POOL, confident=torch.zeros(8, dtype=torch.bool))
        sampler = Uniform(count=3, languages="other")
        assert sampler.draw(pool, anchor, asked, generator=seeded()).tolist() == [[2, 0, -1]]

    def test_a_language_that_has_some_is_drawn_as_ever(self):
        assert self.draw(0, "most_confident", "own") == [1, -1]
        assert self.draw(2, "most_confident", "other") == [1, -1]
        assert self.draw(2, "skip", "own") == [-1, -1]

    def test_the_next_lowest_class_is_one_the_anchor_may_draw_from(self):
        assert self.draw(2, "next_lowest", "own") == [3, -1]  # b: row 2 is of class a itself
        assert sorted(self.draw(0, "next_lowest", "other")) == [3, 7]
        assert self.draw(0, "next_lowest", "own") == [1, -1]

    def test_the_error_says_that_languages_are_why(self):
        with pytest.raises(BadInput, match="to be c in the languages it may be drawn from;"):
            self.draw(2, "error", "own")
        assert self.draw(0, "error", "own") == [1, -1]


@pytest.mark.parametrize("languages", ["all", "own", "other", {"sw": 1.0}], ids=str)
def test_what_is_built_draws_what_the_sampler_draws(languages):
    pool = random_pool(200, languages=("sw", "th", "ur"))
    anchors = torch.arange(30)
    asked = (pool.pseudo_label[anchors] + 1) % 3
    sampler = Uniform(count=4, languages=languages)
    built = sampler.build(pool)
    for seed in range(3):
        draws = [one.draw(pool, anchors, asked, generator=seeded(seed)) for one in (sampler, built)]
        assert torch.equal(*draws)


@pytest.mark.parametrize("languages", ["all", "own", "other", {"sw": 1.0, "th": 2.0}], ids=str)
def test_a_draw_costs_the_same_at_any_pool_size(languages):
    def seconds(N):
        probs = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).repeat(N // 2, 1)
        pool = pool_of(probs, confident=torch.ones(N, dtype=torch.bool))
        anchors = torch.arange(32)
        pool = replace(pool, languages=("sw", "th"), language=torch.arange(N) // 2 % 2)
        drawer = Uniform(share="anchor", languages=languages).build(pool)
        best = float("inf")
        for trial in range(12):
            start = time.perf_counter()
            drawer.draw(pool, anchors, 1 - pool.pseudo_label[anchors], generator=seeded(trial))
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(400_000) < 10 * seconds(4_000)  # a hundredfold pool


def test_a_pool_that_does_not_say_who_is_confident_is_refused():
    with pytest.raises(ValueError, match=r"contrastive\.confident"):
        Uniform()(pool_of([[0.9, 0.1]]), torch.tensor([0]), torch.tensor([1]), generator=seeded())
