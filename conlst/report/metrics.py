"""The figures of a report, as pure functions of tensors.

Letters: N rows, C classes, U units of resampling, K compared cells, R resamples.
A figure without any row to stand on is NaN here and null in `report.json`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from conlst.report.words import BANDS


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if len(values) else math.nan


def accuracy(predicted: Tensor, gold: Tensor) -> float:
    """Share of rows predicted right, 1/N sum_i [yhat_i = y_i].

    Args:
        predicted: int[N]
        gold: int[N]

    Examples:
        >>> accuracy(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 2]))
        0.75
    """
    return _mean(predicted == gold)


def macro_f1(predicted: Tensor, gold: Tensor, classes: int) -> float:
    """Mean of the classes' F1, 1/C sum_c 2 TP_c / (2 TP_c + FP_c + FN_c).

    The mean is over all C classes, as scikit-learn's
    `f1_score(average="macro", labels=range(C), zero_division=0)`: a class neither predicted nor in
    the gold counts 0, so a figure never rises because a rare class fell out of a sample.

    Args:
        predicted: int[N]
        gold: int[N]
        classes: C

    Examples:
        >>> macro_f1(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), 2)
        0.6666666666666666
    """
    if not len(gold):
        return math.nan
    hits = torch.bincount(gold[predicted == gold], minlength=classes).double()
    both = torch.bincount(gold, minlength=classes) + torch.bincount(predicted, minlength=classes)
    return float((2 * hits / both.clamp(min=1)).mean())


def bands(confidence: Tensor, correct: Tensor | None) -> dict[str, dict[str, Any]]:
    """Rows, their share and their accuracy by confidence: > .9, .5 to .9 (both included), < .5.

    Args:
        confidence: float[N], the largest probability of a row
        correct: bool[N], or None without gold: accuracies are None then

    Examples:
        >>> bands(torch.tensor([0.95, 0.6, 0.5, 0.4]), None)["<.5"]
        {'n': 1, 'share': 0.25, 'accuracy': None}
    """
    conf = confidence.double()
    high, low = conf > 0.9, conf < 0.5
    return {
        name: {
            "n": int(inside.sum()),
            "share": _mean(inside),
            "accuracy": None if correct is None else _mean(correct[inside]),
        }
        for name, inside in zip(BANDS, (high, ~high & ~low, low), strict=True)
    }


def _bins(confidence: Tensor, bins: int) -> Tensor:
    """Equal bins ((b / bins, (b + 1) / bins], the first with 0) a confidence falls into."""
    return (confidence.double() * bins).ceil().long().sub(1).clamp(0, bins - 1)


def calibration_error(confidence: Tensor, correct: Tensor, bins: int = 15) -> float:
    """Expected calibration error, sum_b n_b / N |acc_b - conf_b|, over bins of equal width.

    Args:
        confidence: float[N]
        correct: bool[N]
        bins: number of bins (b / bins, (b + 1) / bins]

    Examples:
        >>> round(calibration_error(torch.tensor([0.9, 0.9, 0.6]), torch.tensor([1, 0, 1]) > 0), 3)
        0.4
    """
    if not len(confidence):
        return math.nan
    gap = correct.double() - confidence.double()
    sums = torch.zeros(bins, dtype=torch.float64).index_add(0, _bins(confidence, bins), gap)
    return float(sums.abs().sum()) / len(gap)


def histogram(confidence: Tensor, correct: Tensor | None, bins: int = 10) -> dict[str, Any]:
    """Clean and noisy rows by confidence (Fig. 3), in bins (b / bins, (b + 1) / bins].

    `confidence` is the mean in each bin: beside the share of clean rows it makes the reliability
    diagram.

    Args:
        confidence: float[N]
        correct: bool[N], or None without gold: `clean` and `noisy` are None then
        bins: number of bins

    Examples:
        >>> found = histogram(torch.tensor([0.25, 0.875, 1.0]), torch.tensor([0, 1, 1]) > 0, bins=2)
        >>> found["n"], found["clean"], found["noisy"], found["confidence"]
        ([1, 2], [0, 2], [1, 0], [0.25, 0.9375])
    """
    where = _bins(confidence, bins)
    sums = torch.zeros(bins, dtype=torch.float64).index_add(0, where, confidence.double())

    def count(rows: Tensor) -> list[int]:
        return class_balance(rows, bins)

    return {
        "edges": [edge / bins for edge in range(bins + 1)],
        "n": count(where),
        "confidence": (sums / torch.bincount(where, minlength=bins)).tolist(),
        "clean": None if correct is None else count(where[correct]),
        "noisy": None if correct is None else count(where[~correct]),
    }


def class_balance(labels: Tensor, classes: int) -> list[int]:
    """Rows of each class, in the order of the classes.

    Args:
        labels: int[N]
        classes: C

    Examples:
        >>> class_balance(torch.tensor([2, 0, 2]), 3)
        [1, 0, 2]
    """
    return [int(count) for count in torch.bincount(labels, minlength=classes)]


def complement_error(complement_NC: Tensor, gold: Tensor) -> float:
    """How often a complementary label is the truth, 1/|A| sum_{i in A} [y_i in S_i] / |S_i|.

    S_i are the classes row i is held NOT to be; A, the anchors, are the rows with any. One class of
    S_i is drawn uniformly at each step, so this is the expected error of what the loss sees.

    Args:
        complement_NC: bool[N, C]
        gold: int[N]

    Examples:
        >>> complement = torch.tensor([[0, 1, 1], [0, 0, 1], [0, 0, 0]]) > 0
        >>> complement_error(complement, torch.tensor([1, 0, 2]))
        0.25
    """
    truth = torch.nn.functional.one_hot(gold.long(), complement_NC.shape[1])
    return estimated_complement_error(complement_NC, truth)


def estimated_complement_error(complement_NC: Tensor, probs_NC: Tensor) -> float:
    """The same without gold, 1/|A| sum_{i in A} 1/|S_i| sum_{c in S_i} p_i(c).

    It equals the error rate in expectation as far as the probabilities are calibrated.

    Args:
        complement_NC: bool[N, C]
        probs_NC: float[N, C] of the model whose labels the complement was built from

    Examples:
        >>> estimated_complement_error(torch.tensor([[False, True]]), torch.tensor([[0.75, 0.25]]))
        0.25
    """
    size = complement_NC.sum(1)
    held = (complement_NC * probs_NC.double()).sum(1)
    return _mean(held[size > 0] / size[size > 0])


def changed(before: Tensor, after: Tensor) -> float:
    """Share of rows whose label changed, 1/N sum_i [a_i != b_i].

    Examples:
        >>> changed(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 1]))
        0.25
    """
    return _mean(before != after)


def selection(selected: Tensor, label: Tensor, gold: Tensor | None, classes: int) -> dict[str, Any]:
    """What a selection took: coverage K / N, precision (share of the K taken for what they are).

    By class c: of the rows taken for c, how many are c (`right`) and which share (`precision`); of
    the rows that are c, which share was taken, for whatever class (`coverage`).

    Args:
        selected: bool[N]
        label: int[N], what a selected row was taken for
        gold: int[N], or None: precision and the figures by class are None then
        classes: C

    Examples:
        >>> keep, label = torch.tensor([True, False]), torch.tensor([1, -1])
        >>> found = selection(keep, label, torch.tensor([1, 0]), 2)
        >>> found["coverage"], found["precision"], found["by_class"]["coverage"]
        (0.5, 1.0, [0.0, 1.0])
    """
    taken = label[selected]
    return {
        "coverage": _mean(selected),
        "precision": None if gold is None else accuracy(taken, gold[selected]),
        "class_balance": class_balance(taken, classes),
        "n": len(taken),
        "by_class": None if gold is None else _by_class(taken, gold[selected], gold, classes),
    }


def _by_class(taken: Tensor, gold_taken: Tensor, gold: Tensor, classes: int) -> dict[str, Any]:
    def count(labels: Tensor) -> Tensor:
        return torch.bincount(labels, minlength=classes).double()

    right = count(taken[taken == gold_taken])
    return {
        "right": right.long().tolist(),
        "precision": (right / count(taken)).tolist(),
        "coverage": (count(gold_taken) / count(gold)).tolist(),
    }


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rho: Pearson's correlation of the ranks, equal values sharing their mean rank.

    NaN for fewer than three pairs, which any figure ranks well by luck, and where one side is
    constant.

    Args:
        a: values, finite
        b: as many

    Examples:
        >>> rank_correlation([0.1, 0.2, 0.9, 0.5], [1, 2, 4, 3])
        1.0
    """
    if len(a) < 3:
        return math.nan
    ranks = torch.tensor([_ranks(a), _ranks(b)], dtype=torch.float64)
    from_mean = ranks - ranks.mean(1, keepdim=True)
    spread = float(from_mean.square().sum(1).prod().sqrt())
    return round(float(from_mean.prod(0).sum()) / spread, 12) if spread else math.nan


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + sum(other == value for other in values) / 2
        for value in values
    ]


def paired_bootstrap(
    difference_UK: Tensor, rows_UK: Tensor, *, resamples: int = 1000, seed: int = 0
) -> Tensor:
    """Resampled differences d_rk = sum_u w_ru difference_uk / sum_u w_ru rows_uk.

    w_r counts how often each unit came up in U uniform draws with replacement. The draw is shared
    by all K cells (languages and systems), so that rows which are translations of one another, and
    two systems on the same row, rise and fall together. Equal U and seed give equal draws.

    Args:
        difference_UK: correct rows of the system minus those of the other, by unit and cell
        rows_UK: rows of the unit in the cell, 0 where the unit has none
        resamples: R
        seed: of the draw

    Returns:
        float64[R, K]; NaN where a resample caught no row of a cell.

    Examples:
        >>> always_better = torch.ones(4, 1)
        >>> paired_bootstrap(always_better, torch.ones(4, 1), resamples=3).flatten()
        tensor([1., 1., 1.], dtype=torch.float64)
    """
    units = len(difference_UK)
    both = torch.cat([difference_UK, rows_UK], 1).double()
    generator = torch.Generator().manual_seed(seed)
    sums = torch.empty(resamples, both.shape[1], dtype=torch.float64)
    chunk = max(1, 4_000_000 // max(units, 1))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        draw = torch.randint(units, (size, units), generator=generator)
        flat = (draw + torch.arange(size)[:, None] * units).flatten()
        weights = torch.bincount(flat, minlength=size * units).view(size, units)
        sums[start : start + size] = weights.double() @ both
    top, bottom = sums.chunk(2, dim=1)
    return top / bottom


def two_sided(values: Tensor) -> float:
    """How rarely chance alone gives such a difference: p of resampled differences, two-sided.

    p = 2 (1 + min(#{d <= 0}, #{d >= 0})) / (R + 1), at most 1: never 0, for R resamples cannot tell
    what is rarer than one in R.

    Args:
        values: float[R]; NaN is left out

    Examples:
        >>> two_sided(torch.full((999,), 0.5)), two_sided(torch.zeros(999))
        (0.002, 1.0)
    """
    values = values[~values.isnan()]
    least = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return min(1.0, 2 * (1 + least) / (len(values) + 1))


def holm(p: Sequence[float]) -> list[float]:
    """p-values of a family of tests, raised so that any false alarm among them is as rare (Holm).

    The i-th smallest of m becomes the largest of (m - j + 1) p_(j) over j <= i, at most 1.

    Examples:
        >>> holm([0.04, 0.01, 0.03])
        [0.06, 0.03, 0.06]
    """
    raised, most = [0.0] * len(p), 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        most = max(most, min(1.0, (len(p) - rank) * p[at]))
        raised[at] = most
    return raised


class Interval(NamedTuple):
    """Bounds of a share of the resampled values."""

    low: float
    high: float


def interval(values: Tensor, level: float = 0.95) -> Interval:
    """The central interval of resampled values: quantiles (1 - level) / 2 and (1 + level) / 2.

    Args:
        values: float[R]; NaN is left out
        level: share of the values inside

    Examples:
        >>> interval(torch.arange(5.0), level=0.5)
        Interval(low=1.0, high=3.0)
    """
    values = values[~values.isnan()].double()
    if not len(values):
        return Interval(math.nan, math.nan)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.quantile(values, ends).tolist()
    return Interval(low, high)
