import pytest
import torch

from conlst.selectors import ConfidentLearning
from conlst.testing import check, edge_pools, pool_of, random_pool

GENERATOR = torch.Generator()


def test_it_keeps_the_contract():
    check(ConfidentLearning())


def slow_thresholds(pool):
    """Mean self-confidence of each class, one row at a time."""
    sums = [[0.0, 0] for _ in pool.classes]
    for q in pool.probs_NC.tolist():
        c = q.index(max(q))
        sums[c] = [sums[c][0] + q[c], sums[c][1] + 1]
    return [total / count if count else None for total, count in sums]


@pytest.mark.oracle("selectors.confident_learning")
@pytest.mark.parametrize("C", [2, 3, 6])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_agrees_with_a_slow_loop(C, seed):
    pool = random_pool(150, C, seed=seed)
    t = slow_thresholds(pool)
    assert ConfidentLearning().thresholds(pool).tolist() == pytest.approx(t)
    kept = [n for n, q in enumerate(pool.probs_NC.tolist()) if max(q) >= t[q.index(max(q))]]
    assert ConfidentLearning()(pool, generator=GENERATOR).index.tolist() == kept


@pytest.mark.oracle("selectors.confident_learning")
def test_the_rows_kept_are_the_diagonal_of_the_confident_joint():
    pool = random_pool(150, 4, seed=3)
    t, diagonal = slow_thresholds(pool), []
    for n, q in enumerate(pool.probs_NC.tolist()):
        confident = [c for c in range(4) if q[c] >= t[c]]
        if confident and max(confident, key=q.__getitem__) == q.index(max(q)):
            diagonal.append(n)
    assert ConfidentLearning()(pool, generator=GENERATOR).index.tolist() == diagonal


def test_a_class_the_model_is_less_sure_of_asks_for_less():
    pool = pool_of([[0.99, 0.01], [0.91, 0.09], [0.45, 0.55], [0.40, 0.60]])
    assert ConfidentLearning().thresholds(pool).tolist() == pytest.approx([0.95, 0.575])
    assert ConfidentLearning()(pool, generator=GENERATOR).index.tolist() == [0, 3]


def test_a_class_never_predicted_has_no_threshold():
    pool = edge_pools()["a class never predicted"]
    assert ConfidentLearning().thresholds(pool)[2] == 0


@pytest.mark.parametrize("row", [[1 / 3] * 3, [0.1, 0.7, 0.2]])
@pytest.mark.parametrize("N", [1, 7, 1000])
def test_rows_that_are_all_alike_are_kept_whatever_their_mean_rounds_to(row, N):
    for dtype in (torch.float32, torch.float64):
        pool = pool_of(torch.tensor([row] * N, dtype=dtype))
        assert len(ConfidentLearning()(pool, generator=GENERATOR).index) == N


def test_a_pool_without_rows_selects_none():
    empty = random_pool(6).take(torch.tensor([], dtype=torch.int64))
    assert len(ConfidentLearning()(empty, generator=GENERATOR).index) == 0
