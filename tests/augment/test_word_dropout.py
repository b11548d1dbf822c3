from collections import Counter
from itertools import product

import pytest
import torch

from conlst.arrays import Rows
from conlst.augment import WordDropout
from conlst.testing import check
from tests.augment.frequencies import assert_frequencies


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rows_of(*texts, pairs=None):
    ids = [str(i) for i in range(len(texts))]
    return Rows(ids, list(texts), pairs, ["en"] * len(texts))


def slow_outcomes(words, rate):
    """Every way to keep some of the words, with its probability."""
    outcomes = Counter()
    for kept in product([True, False], repeat=len(words)):
        p = 1.0
        for stays in kept:
            p *= 1 - rate if stays else rate
        if any(kept) or not words:
            outcomes[" ".join(w for w, stays in zip(words, kept, strict=True) if stays)] += p
        else:
            for word in words:
                outcomes[word] += p / len(words)
    return outcomes


@pytest.mark.oracle("augmenters.word_dropout")
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("words", ["", "one", "one two", "a b c d"])
def test_every_text_is_as_likely_as_its_words_make_it(words, rate):
    made, origin = WordDropout(rate=rate).rows(rows_of(*[words] * 3000), generator=seeded(2))
    assert_frequencies(made.texts, slow_outcomes(words.split(), rate))
    assert origin.tolist() == list(range(3000))


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_it_keeps_the_contract(rate):
    check(WordDropout(rate=rate))


def test_one_word_stays_in_each_text_of_a_pair():
    rows = rows_of(*["one, two."] * 30, pairs=["Three?"] * 30)
    made, _ = WordDropout(rate=1).rows(rows, generator=seeded())
    assert set(made.texts) == {"one, .", ", two."}
    assert set(made.pairs) == {"Three?"}


def test_white_space_is_tidied_and_a_text_without_words_is_nothing_else():
    made, _ = WordDropout(rate=0.01).rows(
        rows_of("  one \t two\n", " ... ! ", ""), generator=seeded(1)
    )
    assert made.texts == ["one two", "... !", ""]


def test_rows_lose_different_words():
    made, _ = WordDropout(rate=0.5).rows(rows_of(*["a b c d e f"] * 20), generator=seeded())
    assert len(set(made.texts)) > 10
