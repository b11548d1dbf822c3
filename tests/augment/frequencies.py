"""What chance should do, worked out by hand, against what it did."""

from collections import Counter
from itertools import product

from conlst.augment import Compose, OneOf, Union


def assert_frequencies(found, expected):
    """Every outcome as often as its probability says, within five standard deviations."""
    counts = Counter(found)
    assert abs(sum(expected.values()) - 1) < 1e-9
    assert set(counts) <= set(expected)
    n = counts.total()
    for outcome, p in expected.items():
        assert abs(counts[outcome] - n * p) <= 5 * (n * p * (1 - p)) ** 0.5, (outcome, p)


def views_of_a_row(augmenter):
    """How many views of each chain a row gets on average, one choice after the other."""
    views = Counter()
    if isinstance(augmenter, OneOf):
        weights = augmenter.weights or [1] * len(augmenter.choices)
        for choice, weight in zip(augmenter.choices, weights, strict=True):
            for chain, count in views_of_a_row(choice).items():
                views[chain] += count * weight / sum(weights)
    elif isinstance(augmenter, Union):
        for choice in augmenter.choices:
            for chain, count in views_of_a_row(choice).items():
                views[chain] += count
    elif isinstance(augmenter, Compose):
        for way in product(*(views_of_a_row(step).items() for step in augmenter.steps)):
            chain, count = (), 1
            for part, of_them in way:
                chain, count = chain + part, count * of_them
            views[chain] += count
    else:
        views[(augmenter,)] = 1
    return views


def assert_views(augmenter, branches, n):
    """The branches of n rows hold what `views_of_a_row` says, and rows of the batch only."""
    views = Counter()
    for origin, chain in branches:
        assert all(0 <= row < n for row in origin.tolist())
        views[chain] += len(origin)
    expected = views_of_a_row(augmenter)
    assert set(views) <= set(expected)
    for chain, count in expected.items():
        assert abs(views[chain] - n * count) <= 5 * (n * count) ** 0.5 * (count % 1 > 0)
