"""What holds for every sampler, under every choice of languages."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.errors import BadInput
from conlst.negatives import Faiss, InBatch, MemoryBank, Uniform
from conlst.negatives.base import Memory
from conlst.testing import check, edge_pools, random_pool
from tests.negatives.slow import Told, seeded

SAMPLERS = [Uniform, InBatch, MemoryBank, Faiss]
LANGUAGES = ["all", "own", "other", {"sw": 1.0, "ur": 3.0, "xx": 1.0}]
EMPTY = ["most_confident", "skip", "next_lowest", "error"]
FAISS = [
    {"pick": "semi_hard", "window": [2, 7]},
    {"pick": "farthest"},
    {"max_similarity": 0.3},
    {"relative_margin": 0.1},
]


def pool_of_three(N=180, **how):
    return random_pool(N, languages=("sw", "th", "ur"), **how)


VARIANTS = [
    *(cls(count=4, share=share) for cls in SAMPLERS for share in ("class", "anchor")),
    *(cls(count=30, empty="skip") for cls in (Uniform, MemoryBank, Faiss)),
    *(Faiss(count=4, share=share, **how) for how in FAISS for share in ("class", "anchor")),
    InBatch(count=30),
    MemoryBank(count=4, momentum=0.5),
]


def built(sampler, pool):
    """What the stage draws with, after the stage's first word to a memory."""
    drawer = sampler.build(pool)
    if isinstance(drawer, Memory):
        drawer.remember(torch.arange(len(pool)), pool.features_ND)
    return drawer


@pytest.mark.parametrize("sampler", VARIANTS, ids=repr)
def test_it_keeps_the_contract(sampler):
    check(sampler)


@pytest.mark.parametrize("languages", LANGUAGES, ids=str)
@pytest.mark.parametrize("sampler", VARIANTS, ids=repr)
def test_rows_are_admissible_in_every_choice_of_languages(sampler, languages):
    sampler = sampler.model_copy(update={"languages": languages})
    for pool in (pool_of_three(48), pool_of_three(48, gamma=0.0), *edge_pools().values()):
        told, anchors = Told(pool), torch.arange(len(pool))
        asked = (pool.pseudo_label + 1) % len(pool.classes)
        for call in (sampler, sampler.draw, built(sampler, pool).draw):
            found = call(pool, anchors, asked, generator=seeded())
            assert torch.equal(found, call(pool, anchors, asked, generator=seeded()))
            assert found.shape == (len(pool), sampler.count)
            for anchor, (c, row) in enumerate(zip(asked.tolist(), found.tolist(), strict=True)):
                drawn = [j for j in row if j >= 0]
                assert len(set(drawn)) == len(drawn)
                some = told.rows(c, told.allowed(anchor, languages))
                sure = bool(some) or getattr(sampler, "empty", "skip") == "skip"
                assert set(drawn) <= set(told.admissible(anchor, c, languages, sure=sure))


@pytest.mark.parametrize("languages", LANGUAGES, ids=str)
@pytest.mark.parametrize(
    ("cls", "how"),
    [(InBatch, {}), *((cls, {"empty": e}) for cls in (Uniform, MemoryBank, Faiss) for e in EMPTY)],
)
def test_a_translation_of_the_anchor_is_never_drawn(cls, how, languages):
    for gamma in (0.45, 0.9):  # at .9 classes are empty in some languages
        pool = pool_of_three(72, gamma=gamma, seed=5)
        group = pool.group // 3  # three texts a group, in three languages
        pool = replace(pool, group=group)
        anchors, g = torch.arange(len(pool)), seeded(1)
        for share in ("class", "anchor"):
            sampler = cls(count=6, share=share, languages=languages, **how)
            for asked in range(3):
                wanted = torch.full_like(anchors, asked)
                try:
                    found = built(sampler, pool).draw(pool, anchors, wanted, generator=g)
                except BadInput:
                    assert how["empty"] == "error"
                    continue
                assert bool((found >= 0).any())
                own = group[found.clamp(min=0)] == group[:, None]
                assert not bool((own & (found >= 0)).any())


@pytest.mark.parametrize("cls", SAMPLERS)
def test_anchors_share_a_draw_only_if_they_may_draw_the_same(cls):
    anchors = torch.arange(300)
    pool = replace(pool_of_three(300, gamma=0.0), group=anchors)  # nobody translates anybody
    asked = (pool.pseudo_label + 1) % 3
    for languages in LANGUAGES:
        found = cls(count=5, languages=languages).draw(pool, anchors, asked, generator=seeded())
        draws = {}
        for n, row in enumerate(found.tolist()):
            key = int(asked[n])
            if languages in ("own", "other"):
                key = (key, int(pool.language[n]))
            draws.setdefault(key, set()).update(j for j in row if j >= 0)
        assert len(draws) == (9 if languages in ("own", "other") else 3)
        assert all(len(rows) <= 6 for rows in draws.values())  # one less for who draws itself


@pytest.mark.parametrize("languages", [{}, {"sw": 0.0}])
@pytest.mark.parametrize("cls", SAMPLERS)
def test_weights_that_allow_nothing_are_refused(cls, languages):
    with pytest.raises(ValidationError, match="above 0"):
        cls(languages=languages)


@pytest.mark.parametrize("languages", [{"sw": -1.0}, {"sw": float("nan")}, "same", ["sw"]])
def test_languages_that_make_no_sense_are_refused(languages):
    with pytest.raises(ValidationError):
        Uniform(languages=languages)


@pytest.mark.parametrize("cls", SAMPLERS)
def test_a_language_the_pool_does_not_have_is_no_fault(cls):
    pool = pool_of_three()
    anchors = torch.arange(10)
    asked = (pool.pseudo_label[anchors] + 1) % 3
    found = cls(languages={"xx": 1.0}).draw(pool, anchors, asked, generator=seeded())
    assert found.tolist() == [[-1] * 16] * 10


@pytest.mark.parametrize("cls", SAMPLERS)
def test_a_pool_of_one_language_has_no_others(cls):
    pool = random_pool(60, languages=("sw",), gamma=0.0)
    anchors = torch.arange(60)
    asked = (pool.pseudo_label + 1) % 3
    own, other = (
        cls(languages=languages).draw(pool, anchors, asked, generator=seeded())
        for languages in ("own", "other")
    )
    assert bool((own >= 0).any(1).all())
    assert bool((other == -1).all())


@pytest.mark.parametrize("cls", SAMPLERS)
def test_no_anchors_have_no_negatives(cls):
    nobody = torch.zeros(0, dtype=torch.int64)
    pool = pool_of_three()
    for share in ("class", "anchor"):
        found = built(cls(share=share), pool).draw(pool, nobody, nobody, generator=seeded())
        assert found.shape == (0, 16)
