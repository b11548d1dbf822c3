"""Each figure against a slow loop, and against scikit-learn where it is there."""

import math

import numpy as np
import pytest
import torch

from conlst.report import metrics

C, N = 4, 300


@pytest.fixture
def rows():
    g = torch.Generator().manual_seed(3)
    probs = torch.softmax(2 * torch.randn(N, C, generator=g), 1)
    gold = torch.multinomial(probs, 1, generator=g).flatten()
    return probs, gold, g


def test_macro_f1_is_the_mean_over_all_classes(rows):
    probs, gold, _ = rows
    predicted = probs.argmax(1)
    scores = []
    for c in range(C):
        tp = sum(1 for p, y in zip(predicted, gold, strict=True) if p == y == c)
        fp = sum(1 for p, y in zip(predicted, gold, strict=True) if p == c != y)
        fn = sum(1 for p, y in zip(predicted, gold, strict=True) if y == c != p)
        scores.append(2 * tp / (2 * tp + fp + fn))
    assert metrics.macro_f1(predicted, gold, C) == pytest.approx(sum(scores) / C)
    assert metrics.macro_f1(predicted, gold, C + 1) == pytest.approx(sum(scores) / (C + 1))


def test_scores_equal_those_of_scikit_learn(rows):
    sklearn = pytest.importorskip("sklearn.metrics")
    probs, gold, _ = rows
    predicted = probs.argmax(1)
    for classes in (C, C + 2):
        theirs = sklearn.f1_score(
            gold, predicted, labels=range(classes), average="macro", zero_division=0
        )
        assert metrics.macro_f1(predicted, gold, classes) == pytest.approx(theirs)
    assert metrics.accuracy(predicted, gold) == pytest.approx(
        sklearn.accuracy_score(gold, predicted)
    )


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_calibration_error_is_the_weighted_gap_of_the_bins(rows, bins):
    probs, gold, _ = rows
    confidence, predicted = probs.double().max(1)
    correct = predicted == gold
    total = 0.0
    for b in range(bins):
        inside = [i for i in range(N) if b / bins < confidence[i] <= (b + 1) / bins]
        if inside:
            acc = sum(bool(correct[i]) for i in inside) / len(inside)
            conf = sum(float(confidence[i]) for i in inside) / len(inside)
            total += len(inside) / N * abs(acc - conf)
    assert metrics.calibration_error(confidence, correct, bins) == pytest.approx(total)


def test_a_calibrated_model_has_no_calibration_error():
    confidence = torch.full((10,), 0.7)
    correct = torch.tensor([True] * 7 + [False] * 3)
    assert metrics.calibration_error(confidence, correct) == pytest.approx(0, abs=1e-6)


def test_bands_part_the_rows_at_the_stated_bounds():
    confidence = torch.tensor([1.0, 0.91, 0.9, 0.5, 0.49, 0.2], dtype=torch.float64)
    correct = torch.tensor([True, False, True, True, False, True])
    found = metrics.bands(confidence, correct)
    assert [found[b]["n"] for b in metrics.BANDS] == [2, 2, 2]
    assert [found[b]["accuracy"] for b in metrics.BANDS] == [0.5, 1.0, 0.5]
    assert sum(found[b]["share"] for b in metrics.BANDS) == pytest.approx(1)


def test_an_empty_band_has_no_accuracy():
    found = metrics.bands(torch.tensor([0.99]), torch.tensor([True]))
    assert found["<.5"]["n"] == 0
    assert math.isnan(found["<.5"]["accuracy"])


def test_histogram_counts_every_row_once(rows):
    probs, gold, _ = rows
    confidence, predicted = probs.max(1)
    found = metrics.histogram(confidence, predicted == gold)
    theirs, _ = np.histogram(confidence.numpy(), bins=found["edges"])
    assert found["n"] == theirs.tolist()
    assert [a + b for a, b in zip(found["clean"], found["noisy"], strict=True)] == found["n"]
    assert metrics.histogram(torch.tensor([0.0, 1.0]), None)["n"] == [1, *[0] * 8, 1]


def test_complement_error_is_the_mean_over_admissible_draws(rows):
    probs, gold, g = rows
    held = torch.rand(N, C, generator=g) < 0.3
    wrong, expected = [], []
    for i in range(N):
        admissible = [c for c in range(C) if held[i, c]]
        if admissible:
            wrong.append(sum(c == gold[i] for c in admissible) / len(admissible))
            expected.append(sum(float(probs[i, c]) for c in admissible) / len(admissible))
    assert metrics.complement_error(held, gold) == pytest.approx(float(sum(wrong) / len(wrong)))
    estimate = metrics.estimated_complement_error(held, probs)
    assert estimate == pytest.approx(sum(expected) / len(expected))


def test_figures_without_rows_are_nan():
    none = torch.zeros(0, dtype=torch.int64)
    assert math.isnan(metrics.accuracy(none, none))
    assert math.isnan(metrics.macro_f1(none, none, C))
    assert math.isnan(metrics.calibration_error(none.float(), none.bool()))
    assert math.isnan(metrics.complement_error(torch.zeros(3, C).bool(), torch.zeros(3).long()))
    assert all(math.isnan(x) for x in metrics.interval(torch.tensor([math.nan])))


def test_selection_counts_what_was_taken():
    selected = torch.tensor([True, True, False, True])
    label = torch.tensor([0, 2, -1, 2])
    found = metrics.selection(selected, label, torch.tensor([0, 1, 1, 2]), 3)
    by_class = found.pop("by_class")
    assert found == {"coverage": 0.75, "precision": 2 / 3, "class_balance": [1, 0, 2], "n": 3}
    assert by_class["right"] == [1, 0, 1]
    assert by_class["precision"] == pytest.approx([1, math.nan, 0.5], nan_ok=True)
    assert by_class["coverage"] == [1.0, 0.5, 1.0]
    assert metrics.selection(selected, label, None, 3)["precision"] is None


def test_bootstrap_is_a_mean_of_drawn_units():
    g = torch.Generator().manual_seed(1)
    difference = torch.randint(-1, 2, (12, 3), generator=g)
    rows = torch.randint(0, 3, (12, 3), generator=g)
    found = metrics.paired_bootstrap(difference, rows, resamples=20, seed=5)
    draw = torch.randint(12, (20, 12), generator=torch.Generator().manual_seed(5))
    for r in range(20):
        for k in range(3):
            top = sum(int(difference[u, k]) for u in draw[r])
            bottom = sum(int(rows[u, k]) for u in draw[r])
            assert float(found[r, k]) == pytest.approx(top / bottom)


def test_bootstrap_draws_the_same_for_every_cell_and_call():
    x = torch.randint(-1, 2, (50, 1), generator=torch.Generator().manual_seed(2)).repeat(1, 2)
    first = metrics.paired_bootstrap(x, torch.ones(50, 2), resamples=200)
    assert torch.equal(first[:, 0], first[:, 1])
    assert torch.equal(first, metrics.paired_bootstrap(x, torch.ones(50, 2), resamples=200))


def test_bootstrap_interval_has_the_width_that_theory_gives():
    x = (torch.arange(400) % 2).float()[:, None]
    low, high = metrics.interval(metrics.paired_bootstrap(x, torch.ones(400, 1)).flatten())
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.1)
    assert low < 0.5 < high


def test_rank_correlation_is_spearmans_rho():
    stats = pytest.importorskip("scipy.stats")
    g = torch.Generator().manual_seed(4)
    for n in (3, 4, 5, 9):
        a = torch.randint(0, 4, (n,), generator=g).tolist()  # with ties
        b = torch.randn(n, generator=g).tolist()
        expected = math.nan if len(set(a)) == 1 else stats.spearmanr(a, b).statistic
        assert metrics.rank_correlation(a, b) == pytest.approx(expected, nan_ok=True)
    assert math.isnan(metrics.rank_correlation([1, 2], [1, 2]))
    assert math.isnan(metrics.rank_correlation([1, 1, 1], [1, 2, 3]))


def test_holm_rejects_what_stepping_down_rejects():
    g = torch.Generator().manual_seed(5)
    for _ in range(20):
        p = torch.rand(6, generator=g).mul(0.1).tolist()
        rejected, order = set(), sorted(range(6), key=p.__getitem__)
        for step, at in enumerate(order):
            if p[at] > 0.05 / (6 - step):
                break
            rejected.add(at)
        assert {at for at, q in enumerate(metrics.holm(p)) if q <= 0.05} == rejected


def test_p_counts_resamples_on_the_other_side_of_zero():
    values = torch.tensor([-1.0] * 3 + [1.0] * 96 + [math.nan])
    assert metrics.two_sided(values) == 2 * 4 / 100
    assert metrics.two_sided(-values) == 2 * 4 / 100
