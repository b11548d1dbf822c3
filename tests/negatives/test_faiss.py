import sys
from collections import Counter
from dataclasses import replace
from statistics import fmean

import pytest
import torch
from pydantic import ValidationError

from conlst.errors import BadInput
from conlst.negatives import Faiss
from conlst.negatives import rankings as rankings_module
from conlst.testing import pool_of, random_pool
from tests.negatives.slow import Told, cosine, seeded, unit

CODES = ("sw", "th", "ur")


def slow_limit(sampler, told, anchor):
    """t of one anchor."""
    limit = float("inf") if sampler.max_similarity is None else sampler.max_similarity
    if sampler.relative_margin is not None:
        same = told.admissible(anchor, told.label[anchor])
        found = [cosine(told.features[anchor], told.features[j]) for j in same]
        limit = min(limit, (1 - sampler.relative_margin) * max(found, default=1.0))
    return limit


def slow_ranking(sampler, told, sharing, asked):
    """What those who share a draw may have, in the order in which it is picked."""
    query = [
        fmean(column) for column in zip(*(unit(told.features[b]) for b in sharing), strict=True)
    ]
    limit = fmean(slow_limit(sampler, told, b) for b in sharing)
    sign = -1 if sampler.pick == "farthest" else 1
    found = [
        (-sign * cosine(query, told.features[j]), j)
        for j in told.admissible(sharing[0], asked, sampler.languages)
        if cosine(query, told.features[j]) <= limit
    ]
    return [j for _, j in sorted(found)]


def slow_draw(sampler, pool, anchors, asked):
    """Rows of each anchor without chance: nearest or farthest."""
    told, sharing = Told(pool), {}

    def key(anchor, c):
        language = told.code[anchor] if sampler.languages in ("own", "other") else None
        return anchor if sampler.share == "anchor" else (c, language)

    both = list(zip(anchors.tolist(), asked.tolist(), strict=True))
    for anchor, c in both:
        sharing.setdefault(key(anchor, c), []).append(anchor)
    out = []
    for anchor, c in both:
        chosen = slow_ranking(sampler, told, sharing[key(anchor, c)], c)[: sampler.count]
        limit = slow_limit(sampler, told, anchor)
        bad = {
            j
            for j in chosen
            if told.group[j] == told.group[anchor]
            or cosine(told.features[anchor], told.features[j]) > limit
        }
        row = [-1 if j in bad else j for j in chosen]
        out.append(row + [-1] * (sampler.count - len(row)))
    return out


@pytest.mark.oracle("negatives.faiss")
@pytest.mark.parametrize("share", ["anchor", "class"])
@pytest.mark.parametrize("languages", ["all", "own", "other"])
@pytest.mark.parametrize("pick", ["nearest", "farthest"])
@pytest.mark.parametrize(
    "guards",
    [
        {},
        {"max_similarity": 0.4},
        {"relative_margin": 0.3},
        {"max_similarity": 0.5, "relative_margin": 0.1},
    ],
    ids=str,
)
def test_it_agrees_with_a_slow_search(share, languages, pick, guards):
    for seed, K in ((0, 4), (1, 25)):
        pool = random_pool(150, languages=CODES, seed=seed)
        anchors = torch.arange(0, 150, 7)
        asked = (pool.pseudo_label[anchors] + 1) % 3
        sampler = Faiss(
            count=K, share=share, languages=languages, pick=pick, empty="skip", **guards
        )
        found = sampler.draw(pool, anchors, asked, generator=seeded())
        assert found.tolist() == slow_draw(sampler, pool, anchors, asked)
        assert bool((found >= 0).any())


@pytest.mark.oracle("negatives.faiss")
@pytest.mark.parametrize("languages", ["all", "own", "other"])
def test_semi_hard_ones_are_drawn_alike_from_a_window_of_a_slow_ranking(languages):
    pool = random_pool(240, languages=CODES, gamma=0.0)
    told, (anchor, asked, draws) = Told(pool), (5, (Told(pool).label[5] + 1) % 3, 3000)
    sampler = Faiss(count=3, share="anchor", pick="semi_hard", window=[4, 10], languages=languages)
    anchors = torch.full((draws,), anchor)
    found = sampler(pool, anchors, torch.full_like(anchors, asked), generator=seeded())
    window = slow_ranking(sampler, told, [anchor], asked)[4:10]
    counts = Counter(found.flatten().tolist())
    assert set(counts) == set(window)
    assert all(abs(n - draws / 2) < 150 for n in counts.values())  # 3 of 6 a draw
    assert len({tuple(sorted(row)) for row in found.tolist()}) == 20  # 3 out of 6


@pytest.mark.oracle("negatives.faiss")
@pytest.mark.parametrize("pick", ["nearest", "farthest"])
def test_with_weights_each_language_gives_what_comes_first_in_its_own_slow_ranking(pick):
    pool = random_pool(240, languages=CODES, gamma=0.0)
    told, anchors = Told(pool), torch.arange(40)
    asked = (pool.pseudo_label[anchors] + 1) % 3
    weights = {"sw": 1.0, "th": 4.0}
    sampler = Faiss(count=6, share="anchor", languages=weights, pick=pick)
    found = sampler(pool, anchors, asked, generator=seeded())
    assert bool((found >= 0).all())
    given = Counter()
    for anchor, c, row in zip(anchors.tolist(), asked.tolist(), found.tolist(), strict=True):
        for code in CODES:
            alone = sampler.model_copy(update={"languages": {code: 1.0}})
            drawn = [j for j in row if told.code[j] == code]
            assert drawn == slow_ranking(alone, told, [anchor], c)[: len(drawn)]
            given[code] += len(drawn)
    assert given["ur"] == 0
    assert 2.5 < given["th"] / given["sw"] < 6.5


def line(cosines, *, own=(), groups=None):
    """An anchor of class a, rows of class a at some cosines to it, and rows of class b."""
    angles = torch.tensor([1.0, *own, *cosines]).clamp(-1, 1).acos()
    probs = [[0.9, 0.1]] * (1 + len(own)) + [[0.1, 0.9]] * len(cosines)
    features = 3 * torch.stack([angles.cos(), angles.sin()], 1)
    return pool_of(probs, confident=[True] * len(probs), groups=groups, features_ND=features)


def of_anchor(pool, **how):
    sampler = Faiss(share="anchor", **how)
    anchor, asked = torch.tensor([0]), torch.tensor([1])
    return sampler(pool, anchor, asked, generator=seeded())[0].tolist()


def test_the_nearest_and_the_farthest_come_in_order():
    pool = line([0.2, 0.9, -0.5, 0.6])
    assert of_anchor(pool, count=3) == [2, 4, 1]
    assert of_anchor(pool, count=3, pick="farthest") == [3, 1, 4]


def test_too_similar_ones_make_place_for_others():
    pool = line([0.99, 0.95, 0.7, 0.4])
    assert of_anchor(pool, count=2, max_similarity=0.96) == [2, 3]
    assert of_anchor(pool, count=2, max_similarity=0.3) == [-1, -1]


def test_the_margin_is_measured_against_the_nearest_row_of_the_own_class():
    pool = line([0.85, 0.75, 0.6], own=[0.5, 0.8])
    assert of_anchor(pool, count=2) == [3, 4]
    assert of_anchor(pool, count=2, relative_margin=0.05) == [4, 5]  # .75 <= .95 * .8
    assert of_anchor(pool, count=2, relative_margin=0.1) == [5, -1]
    assert of_anchor(pool, count=2, relative_margin=0.1, max_similarity=0.5) == [-1, -1]


def test_a_translation_is_no_row_of_the_own_class_to_measure_against():
    pool = line([0.85, 0.6], own=[0.99, 0.7], groups=[0, 0, 1, 2, 3])
    assert of_anchor(pool, count=2, relative_margin=0.0) == [4, -1]  # .7, not .99


def test_where_the_own_class_has_no_other_row_the_margin_is_measured_against_the_text_itself():
    assert of_anchor(line([0.97, 0.9, 0.8]), count=2, relative_margin=0.05) == [2, 3]


@pytest.mark.parametrize("how", [{}, {"max_similarity": 0.5}])
def test_a_list_that_begins_with_what_is_left_out_is_searched_to_its_end(how):
    near = torch.linspace(0.99, 0.6, 300).tolist()
    pool = line([*near, 0.4, 0.3], groups=[0] * 301 + [1, 2] if not how else None)
    assert of_anchor(pool, count=3, **how) == [301, 302, -1]


def test_the_window_moves_up_where_the_list_ends_before_it():
    pool = line([0.9, 0.8, 0.7, 0.6])
    for window, expected in (([10, 20], {3, 4}), ([3, 9], {3, 4}), ([1, 3], {2, 3})):
        for seed in range(5):
            sampler = Faiss(count=2, pick="semi_hard", window=window)
            found = sampler(pool, torch.tensor([0]), torch.tensor([1]), generator=seeded(seed))
            assert set(found[0].tolist()) == expected


def test_ranks_are_counted_after_the_guards():
    pool = line([0.99, 0.98, 0.7, 0.6, 0.5])
    found = of_anchor(pool, count=2, pick="semi_hard", window=[1, 3], max_similarity=0.9)
    assert set(found) == {4, 5}


def test_anchors_that_share_a_draw_are_searched_for_from_their_middle():
    features = torch.tensor([[1.0, 0.0], [0.0, 9.0], [1.0, 0.1], [0.1, 1.0], [1.0, 1.0]])
    pool = pool_of([[0.9, 0.1]] * 2 + [[0.1, 0.9]] * 3, confident=[True] * 5, features_ND=features)
    anchors, asked = torch.tensor([0, 1]), torch.tensor([1, 1])
    for share, expected in {"anchor": [[2], [3]], "class": [[4], [4]]}.items():
        sampler = Faiss(count=1, share=share)
        assert sampler.draw(pool, anchors, asked, generator=seeded()).tolist() == expected


@pytest.mark.parametrize("share", ["class", "anchor"])
def test_no_negative_is_ever_more_similar_to_its_anchor_than_the_guard_lets_it(share):
    pool = random_pool(300, languages=CODES, gamma=0.5)
    told, anchors = Told(pool), torch.arange(300)
    asked = (pool.pseudo_label + 1) % 3
    sampler = Faiss(count=8, share=share, max_similarity=0.2)
    found = sampler.draw(pool, anchors, asked, generator=seeded())
    pairs = [(b, j) for b, row in enumerate(found.tolist()) for j in row if j >= 0]
    assert len(pairs) > 300
    assert all(cosine(told.features[b], told.features[j]) <= 0.2 + 1e-4 for b, j in pairs)


@pytest.mark.parametrize("pick", ["nearest", "farthest"])
def test_many_rows_are_searched_nearly_exactly(pick):
    g = seeded(2)
    centres = 3 * torch.randn(60, 32, generator=g)
    features = centres[torch.arange(6000) % 60] + torch.randn(6000, 32, generator=g)
    probs = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).repeat(3000, 1)
    pool = pool_of(probs, confident=torch.ones(6000, dtype=torch.bool), features_ND=features)
    anchors = torch.arange(0, 6000, 60)
    asked = 1 - pool.pseudo_label[anchors]
    exact, near = (
        Faiss(share="anchor", pick=pick, exact_up_to=most)(pool, anchors, asked, generator=g)
        for most in (50_000, 500)
    )
    hits = (near[:, :, None] == exact[:, None, :]).any(2)
    assert hits.float().mean() >= 0.9


def test_indexes_are_made_once_a_stage(monkeypatch):
    made = []

    class Counted(rankings_module.Index):
        def __init__(self, vectors, **how):
            made.append(len(vectors))
            super().__init__(vectors, **how)

    monkeypatch.setattr(rankings_module, "Index", Counted)
    pool = random_pool(120, languages=CODES)
    anchors = torch.arange(20)
    for languages, lists in (("all", 3), ("own", 9)):
        made.clear()
        drawer = Faiss(count=2, languages=languages).build(pool)
        for _ in range(3):
            drawer.draw(pool, anchors, (pool.pseudo_label[:20] + 1) % 3, generator=seeded())
        assert len(made) == lists
        assert sum(made) == int(pool.confident.sum())


class TestAClassWithoutConfidentRows:
    PROBS = (
        [0.90, 0.08, 0.02], [0.05, 0.90, 0.05], [0.05, 0.91, 0.04],
        [0.30, 0.30, 0.40], [0.20, 0.20, 0.60], [0.25, 0.25, 0.50],
    )  # fmt: skip
    FEATURES = torch.tensor(
        [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.1]]
    )
    POOL = pool_of(PROBS, confident=[True] * 3 + [False] * 3, features_ND=FEATURES)

    def draw(self, empty, **how):
        sampler = Faiss(empty=empty, count=2, **how)
        anchors, asked = torch.tensor([0, 1]), torch.tensor([2, 2])
        return sampler.draw(self.POOL, anchors, asked, generator=seeded()).tolist()

    def test_its_most_confident_rows_stand_in_however_near_they_are(self):
        assert self.draw("most_confident") == [[4, 5], [4, 5]]

    def test_but_the_guards_hold_for_them_too(self):
        assert self.draw("most_confident", max_similarity=0.5) == [[4, -1], [-1, 5]]

    def test_the_anchor_may_have_none(self):
        assert self.draw("skip") == [[-1, -1], [-1, -1]]

    @pytest.mark.parametrize("share", ["anchor", "class"])
    def test_the_next_lowest_class_is_each_anchors_own(self, share):
        assert self.draw("next_lowest", share=share) == [[2, 1], [0, -1]]

    def test_it_may_be_an_error(self):
        with pytest.raises(BadInput, match=r"faiss: no confident row is predicted to be c;"):
            self.draw("error")


def test_nobody_confident_at_all():
    pool = random_pool(30, gamma=1.1)
    anchors = torch.arange(30)
    asked = (pool.pseudo_label + 1) % 3
    for how in ({"empty": "skip"}, {"empty": "skip", "relative_margin": 0.1}):
        found = Faiss(**how).draw(pool, anchors, asked, generator=seeded())
        assert bool((found == -1).all())


@pytest.mark.parametrize("window", [[3, 3], [5, 2], [0, 15], [1], [1, 2, 3], [-1, 20]])
def test_a_window_that_could_not_fill_the_places_is_refused(window):
    with pytest.raises(ValidationError, match=r"window"):
        Faiss(pick="semi_hard", window=window)


def test_a_window_is_of_no_account_where_none_is_used():
    assert Faiss(window=[0, 1]).window == [0, 1]


def test_without_faiss_the_extras_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BadInput, match=r"conlst\[cpu\]"):
        Faiss().build(random_pool())


def test_a_pool_that_does_not_say_who_is_confident_is_refused():
    with pytest.raises(ValueError, match=r"contrastive\.confident"):
        Faiss().build(replace(random_pool(), confident=None))
