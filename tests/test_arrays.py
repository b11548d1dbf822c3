from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from conlst.arrays import LossInput, Pool, Rows, Selection
from conlst.testing import pool_of, random_loss_input, random_pool


def selection(index, C=3):
    index = torch.tensor(index, dtype=torch.int64)
    target = torch.rand(len(index), C).softmax(1)
    return Selection(index, target, torch.rand(len(index)).clamp(min=0.1))


class TestPoolTake:
    POOL = replace(
        random_pool(12, passes=3, source=6), history=(selection([0, 3, 4, 8, 11]),), round=2
    )

    @pytest.mark.parametrize("rows", [[3, 4, 8], [8, 0, 5, 3], [], list(range(12)), [11]])
    def test_every_field_with_an_entry_a_row_is_cut_alike(self, rows):
        index = torch.tensor(rows, dtype=torch.int64)
        taken = self.POOL.take(index)
        assert len(taken) == len(rows)
        assert list(taken.ids) == [self.POOL.ids[i] for i in rows]
        for name in ("language", "group", "logits_NC", "probs_NC", "features_ND", "confident"):
            assert torch.equal(getattr(taken, name), getattr(self.POOL, name)[index]), name
        assert torch.equal(taken.probs_PNC, self.POOL.probs_PNC[:, index])
        assert torch.equal(taken.pseudo_label, self.POOL.pseudo_label[index])

    def test_what_is_not_of_rows_stays(self):
        taken = self.POOL.take(torch.tensor([2]))
        for name in ("classes", "languages", "round", "source"):
            assert getattr(taken, name) is getattr(self.POOL, name)

    @pytest.mark.parametrize("rows", [[3, 4, 8], [8, 0, 5, 3], [1, 2], []])
    def test_the_previous_selection_counts_through_the_new_rows(self, rows):
        before, after = self.POOL.previous, self.POOL.take(torch.tensor(rows).long()).previous
        kept = {rows.index(row): k for k, row in enumerate(before.index.tolist()) if row in rows}
        assert after.index.tolist() == sorted(kept)
        for k, row in enumerate(after.index.tolist()):
            assert torch.equal(after.target_KC[k], before.target_KC[kept[row]])
            assert after.weight[k] == before.weight[kept[row]]

    def test_an_iteration_that_selected_nothing_stays_one(self):
        pool = replace(self.POOL, history=(selection([]), self.POOL.previous))
        first, second = pool.take(torch.tensor([8, 1, 3])).history
        assert first.index.tolist() == []
        assert second.index.tolist() == [0, 2]

    def test_optional_fields_may_be_missing(self):
        taken = pool_of([[0.5, 0.5]] * 3).take(torch.tensor([1]))
        assert taken.probs_PNC is taken.confident is taken.previous is None

    def test_a_repeated_row_is_refused(self):
        with pytest.raises(ValueError, match="must not repeat"):
            self.POOL.take(torch.tensor([3, 3]))


def lists(csr):
    rows, offsets = csr
    return [rows[a:b].tolist() for a, b in pairwise(offsets.tolist())]


def test_confident_rows_are_listed_by_class():
    pool = random_pool(40, 4)
    expected = [
        [n for n in range(40) if pool.confident[n] and pool.pseudo_label[n] == c] for c in range(4)
    ]
    assert lists(pool.confident_by_class) == expected


def test_all_rows_are_listed_by_class_the_most_confident_first():
    pool = random_pool(40, 4)
    for c, found in enumerate(lists(pool.rows_by_class)):
        of_class = [n for n in range(40) if pool.pseudo_label[n] == c]
        assert found == sorted(of_class, key=lambda n: -pool.confidence[n].item())


def test_lists_by_class_need_to_know_who_is_confident():
    with pytest.raises(ValueError, match=r"contrastive\.confident"):
        _ = pool_of([[0.5, 0.5]]).confident_by_class


def test_a_pool_has_no_place_for_gold_labels():
    assert not [name for name in Pool.__dataclass_fields__ if "gold" in name or name == "label"]


def test_logits_handed_in_as_probabilities_are_noticed():
    with pytest.raises(ValueError, match="were logits handed in"):
        pool_of(torch.randn(4, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features_ND": torch.zeros(2, 1)}, r"features must be \[N, D\]"),
        ({"language": torch.zeros(2).long()}, "language and group"),
        ({"confident": torch.ones(2) > 0}, "confident must be"),
        ({"logits_NC": torch.zeros(3, 3)}, r"must be \[N, C\]"),
    ],
)
def test_a_pool_checks_its_shapes(change, message):
    with pytest.raises(ValueError, match=message):
        replace(pool_of([[0.5, 0.5]] * 3), **change)


@pytest.mark.parametrize(
    ("index", "target", "weight", "message"),
    [
        ([1, 0], [[1, 0]] * 2, [1, 1], "ascend"),
        ([0, 0], [[1, 0]] * 2, [1, 1], "without repeats"),
        ([0], [[0.6, 0.6]], [1], "sum to 1"),
        ([0], [[1, 0]], [0], "weights must lie"),
        ([0], [[1, 0]], [1.5], "weights must lie"),
        ([0], [[1, 0]], [1, 1], r"float\[K\]"),
        ([0.0], [[1, 0]], [1], "int64"),
    ],
)
def test_a_selection_keeps_its_contract(index, target, weight, message):
    with pytest.raises(ValueError, match=message):
        Selection(torch.tensor(index), torch.tensor(target).float(), torch.tensor(weight).float())


def test_a_loss_input_checks_its_shapes():
    x = random_loss_input(4)
    for change in ({"target": torch.ones(4, 2)}, {"negative_mask": None}, {"positive": None}):
        with pytest.raises(ValueError, match=r"must be|come together"):
            replace(x, **change)
    assert LossInput(x.logits).target is None


def test_rows_are_taken_in_the_order_asked_for():
    rows = Rows(["1", "2", "3"], ["a", "b", "c"], ["x", "y", "z"], ["en", "sw", "th"])
    taken = rows.take([2, 0])
    assert (taken.ids, taken.texts, taken.pairs, taken.languages) == (
        ["3", "1"], ["c", "a"], ["z", "x"], ["th", "en"],
    )  # fmt: skip
    with pytest.raises(ValueError, match="one entry a row"):
        Rows(["1"], ["a", "b"], None, ["en", "sw"])
