from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Selection
from conlst.selectors import TopKPerClass
from conlst.testing import check, pool_of, random_pool
from tests.selectors.test_scores import slow_score

GENERATOR = torch.Generator()
LANGUAGES = ("sw", "th", "ur")
PARTS = [
    TopKPerClass(),
    TopKPerClass(count=4),
    TopKPerClass(count=4, replay="equal"),
    TopKPerClass(count=4, replay="none", balance="smallest"),
    TopKPerClass(score="mc_std", ratio=0.2, threshold=-0.1),
    TopKPerClass(score="custom", per_language=False, replay="equal"),
    TopKPerClass(cumulative=False, balance="smallest", ratio=1.0),
]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


def slow_new(part, pool, frozen):
    """Rows that an iteration adds -> their label, one row at a time."""
    every = range(len(pool))
    language = pool.language.tolist() if part.per_language else [0] * len(pool)
    found = {}
    for n in every:
        q, s = pool.probs_NC[n].tolist(), slow_score(part.score, pool, n)
        if n in frozen or (part.threshold is not None and s < part.threshold):
            continue
        found.setdefault(language[n], {}).setdefault(q.index(max(q)), []).append((-s, n))
    new = {}
    for code, classes in found.items():
        k = part.count or max(int(language.count(code) * part.ratio), 1)
        if part.balance == "smallest":
            k = min([k, *(len(rows) for rows in classes.values())])
        for c, rows in classes.items():
            new |= {n: c for _, n in sorted(rows)[:k]}
    return new


def labels_of(selection):
    labels = selection.target_KC.argmax(1).tolist()
    return dict(zip(selection.index.tolist(), labels, strict=True))


def iterations(part, count, N=150):
    """Pools of one set of rows under models that change, each with what was selected before."""
    history, generator = (), torch.Generator().manual_seed(1)
    for i in range(count):
        pool = random_pool(N, seed=10 + i, languages=LANGUAGES, passes=5)
        pool = replace(pool, history=history, round=i + 1)
        selection = part(pool, generator=generator)
        yield pool, selection
        history = (*history, selection)


SETTINGS = [
    {"ratio": 0.08},
    {"ratio": 0.001},
    {"count": 5},
    {"count": 30},
    {"ratio": 0.1, "per_language": False},
    {"ratio": 0.2, "balance": "smallest"},
    {"count": 9, "threshold": 0.6},
    {"count": 9, "threshold": 0.8, "balance": "smallest"},
    {"score": "entropy", "count": 3},
    {"score": "margin", "count": 3, "per_language": False, "balance": "smallest"},
    {"score": "mc_std", "ratio": 0.05},
    {"score": "dissonance", "count": 4, "threshold": -0.4},
    {"count": 5, "cumulative": False},
]


@pytest.mark.oracle("selectors.topk_per_class")
@pytest.mark.parametrize("fields", SETTINGS, ids=str)
def test_iteration_after_iteration_it_agrees_with_a_slow_memory(fields):
    part = TopKPerClass.model_validate(fields)
    frozen = {}
    for pool, selection in iterations(part, 4):
        new = slow_new(part, pool, frozen)
        assert labels_of(selection) == frozen | new
        assert selection.weight.tolist() == [1.0] * len(selection.index)
        frozen = frozen | new if part.cumulative else {}


@pytest.mark.oracle("selectors.topk_per_class")
@pytest.mark.parametrize("replay", ["none", "equal"])
@pytest.mark.parametrize("per_language", [True, False])
def test_replay_decides_which_frozen_rows_stand_beside_the_new_ones(replay, per_language):
    part = TopKPerClass(count=6, replay=replay, per_language=per_language, threshold=0.5)
    frozen = {}
    for pool, selection in iterations(part, 4):
        new, found = slow_new(part, pool, frozen), labels_of(selection)
        again = {n: c for n, c in found.items() if n not in new}
        assert found == again | new
        assert again.items() <= frozen.items()
        languages = pool.language.tolist() if per_language else [0] * len(pool)
        for code in set(languages):
            asked = sum(languages[n] == code for n in new) if replay == "equal" else 0
            there = sum(languages[n] == code for n in frozen)
            assert sum(languages[n] == code for n in again) == min(asked, there)
        frozen |= new
    assert len(frozen) > 60


def test_the_sample_of_frozen_rows_is_drawn_and_not_always_the_same():
    *_, (pool, _) = iterations(TopKPerClass(count=3), 3)
    part = TopKPerClass(count=3, replay="equal")
    drawn = {
        tuple(part(pool, generator=torch.Generator().manual_seed(seed)).index.tolist())
        for seed in range(5)
    }
    assert len(drawn) > 1


def test_a_label_once_given_stays_though_the_model_changes_its_mind():
    before = pool_of([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    part = TopKPerClass(count=1)
    first = part(before, generator=GENERATOR)
    after = pool_of([[0.1, 0.9], [0.7, 0.3], [0.6, 0.4]], history=(first,))
    assert labels_of(part(after, generator=GENERATOR)) == {0: 0, 1: 0, 2: 1}


def test_the_first_of_several_labels_wins_with_its_weight():
    def chosen(target, weight):
        return Selection(torch.tensor([1]), torch.tensor([target]), torch.tensor([weight]))

    history = (chosen([0.3, 0.7], 0.5), chosen([1.0, 0.0], 1.0))
    pool = pool_of([[0.9, 0.1], [0.9, 0.1]], history=history)
    found = TopKPerClass(count=1)(pool, generator=GENERATOR)
    assert found.index.tolist() == [0, 1]
    assert found.target_KC[1].tolist() == pytest.approx([0.3, 0.7])
    assert found.weight.tolist() == [1.0, 0.5]


def test_xnli_gives_199_rows_of_each_class_and_language():
    pool = random_pool(2 * 2490, seed=2)
    found = TopKPerClass()(pool, generator=GENERATOR)
    cell = pool.language[found.index] * 3 + pool.pseudo_label[found.index]
    assert torch.bincount(cell).tolist() == [199] * 6


def test_the_ratio_counts_all_rows_of_a_language_frozen_ones_among_them():
    sizes = [len(selection.index) for _, selection in iterations(TopKPerClass(ratio=0.06), 3)]
    assert sizes == [27, 54, 81]  # 50 rows a language: 3 of each of 3 classes in 3 languages


def test_a_class_with_fewer_rows_gives_what_it_has():
    pool = pool_of([[0.9, 0.1]] * 5 + [[0.2, 0.8]] * 2)
    assert len(TopKPerClass(count=4)(pool, generator=GENERATOR).index) == 4 + 2


def test_smallest_is_truly_balanced_within_each_language():
    probs = [[0.9, 0.1]] * 5 + [[0.2, 0.8]] * 2 + [[0.9, 0.1]] * 3 + [[0.2, 0.8]] * 4
    pool = pool_of(probs, languages=["sw"] * 7 + ["th"] * 7)
    found = TopKPerClass(count=4, balance="smallest")(pool, generator=GENERATOR)
    cell = pool.language[found.index] * 2 + pool.pseudo_label[found.index]
    assert torch.bincount(cell).tolist() == [2, 2, 3, 3]


def test_a_class_without_any_row_holds_nobody_back():
    pool = pool_of([[0.9, 0.05, 0.05]] * 5 + [[0.1, 0.8, 0.1]] * 2)
    found = TopKPerClass(count=4, balance="smallest")(pool, generator=GENERATOR)
    assert found.index.tolist() == [0, 1, 5, 6]


def test_equal_scores_fall_in_row_order():
    pool = pool_of([[0.6, 0.4]] * 5)
    assert TopKPerClass(count=2)(pool, generator=GENERATOR).index.tolist() == [0, 1]


def test_once_all_rows_are_frozen_nothing_new_comes():
    pool = random_pool(12)
    every = Selection.hard(pool, torch.ones(12, dtype=torch.bool))
    pool = replace(pool, history=(every,))
    assert len(TopKPerClass()(pool, generator=GENERATOR).index) == 12
    for replay in ("equal", "none"):
        assert len(TopKPerClass(replay=replay)(pool, generator=GENERATOR).index) == 0


def test_a_pool_without_rows_selects_none():
    empty = random_pool(6).take(torch.tensor([], dtype=torch.int64))
    for part in (TopKPerClass(), TopKPerClass(count=3, balance="smallest", replay="equal")):
        assert len(part(empty, generator=GENERATOR).index) == 0


def test_a_count_takes_the_place_of_the_default_ratio():
    part = TopKPerClass.model_validate({"count": 40})
    assert (part.ratio, part.count) == (None, 40)
    assert (TopKPerClass().ratio, TopKPerClass().count) == (0.08, None)


@pytest.mark.parametrize("fields", [{"count": 3, "ratio": 0.1}, {"ratio": None}])
def test_exactly_one_of_ratio_and_count_is_asked_for(fields):
    with pytest.raises(ValidationError, match="either a ratio or a count"):
        TopKPerClass.model_validate(fields)


def test_a_threshold_that_no_row_can_reach_is_refused():
    with pytest.raises(ValidationError, match="dissonance is at most 0"):
        TopKPerClass(score="dissonance", threshold=0.2)


def test_it_needs_the_whole_pool_and_passes_for_mc_std_alone():
    assert TopKPerClass().needs == {"pool"}
    assert TopKPerClass(score="mc_std").all_needs() == {"pool", "passes"}
