import random
import unicodedata

import pytest
import torch

from conlst.arrays import Rows
from conlst.augment.words import BLOCK, cased, cut, key, pick, replaced, rewritten, uniforms

SPACELESS = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
ALPHABET = "abZÉß19_ .,'’-‐ँिक़\u200cक東京のカーไทยั้៣ខ្ម\u0301йИ\n#\U00020000"


def slow_words(text):
    """Letters with their marks, one after the other; a joiner counts only between two of them."""
    units = []
    for char in text:
        if char.isalnum():
            alone = unicodedata.name(char).startswith(SPACELESS)
            units.append(("alone" if alone else "letter", char))
        elif unicodedata.category(char)[0] == "M" or char == "\u200c":
            kind, before = (
                units.pop() if units and units[-1][0] in ("alone", "letter") else ("", "")
            )
            units.append((kind or "other", before + char))
        else:
            units.append(("joiner" if char in "'’-‐" else "other", char))
    words, inside = [], False
    for i, (kind, unit) in enumerate(units):
        if kind == "alone":
            words.append(unit)
        elif kind == "letter":
            words[-1:] = [words[-1] + unit] if inside else [*words[-1:], unit]
        follows = i + 1 < len(units) and units[i + 1][0] == "letter"
        if kind == "joiner" and inside and follows:
            words[-1] += unit
        else:
            inside = kind == "letter"
    return words


def test_words_are_those_of_a_slow_loop_and_the_pieces_give_the_text_back():
    chance = random.Random(0)
    for _ in range(3000):
        text = "".join(chance.choices(ALPHABET, k=chance.randrange(12)))
        assert cut(text)[1::2] == slow_words(text), text
        assert "".join(cut(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A word.", ["A", "word"]),  # Robust-XLT cuts at spaces: "word." has no synonyms there
        ("(word), “word”…word!", ["word", "word", "word"]),
        ("don't don’t 'quoted' rock-'n'-roll", ["don't", "don’t", "quoted", "rock", "n", "roll"]),
        ("well-known -- so", ["well-known", "so"]),
        ("3.14 x_1", ["3", "14", "x", "1"]),
        ("हिन्दी में कि।", ["हिन्दी", "में", "कि"]),
        ("بقچہٴ‌گل کا", ["بقچہٴ‌گل", "کا"]),
        ("我去Washington。", ["我", "去", "Washington"]),
        ("ไม่รู้", ["ไ", "ม่", "รู้"]),
        ("Việt e\u0301t", ["Việt", "e\u0301t"]),
        ("", []),
        (" ?! ", []),
    ],
)
def test_punctuation_is_never_part_of_a_word(text, words):
    assert cut(text)[1::2] == words


def test_a_long_text_takes_no_longer_than_its_length():
    for text in ("a" * 50_000, "a-" * 25_000, "-" * 50_000, "a'-" * 20_000):
        assert "".join(cut(text)) == text


@pytest.mark.parametrize(
    ("word", "like", "expected"),
    [
        ("film", "movie", "film"),
        ("film", "Movie", "Film"),
        ("film", "MOVIE", "FILM"),
        ("Haus", "house", "Haus"),
        ("yo", "I", "Yo"),
        ("film noir", "Movie", "Film noir"),
        ("фильм", "Movie", "Фильм"),
        ("电影", "Movie", "电影"),
        ("film", "电影", "film"),
        ("ten", "10", "ten"),
        ("film", "iMovie", "film"),
        ("", "Movie", ""),
    ],
)
def test_a_word_takes_the_capitals_of_the_one_it_replaces(word, like, expected):
    assert cased(word, like) == expected


def test_a_word_is_looked_up_whatever_its_capitals_and_apostrophes():
    assert key("Don’t") == key("DON'T") == "don't"
    assert key("e\u0301t") == key("Ét") == "ét"


def test_all_between_the_words_stays_as_it_is():
    assert replaced("  A\t“film”,\n\nno?  ", str.upper) == "  A\t“FILM”,\n\nNO?  "


def test_both_texts_of_a_pair_are_rewritten_and_all_else_kept():
    rows = Rows(["a", "b"], ["one", "two"], ["three", "four"], ["en", "sw"], numbered=True)
    made = rewritten(rows, lambda row, text: f"{rows.languages[row]}:{text}")
    assert list(made.texts) == ["en:one", "sw:two"]
    assert made.pairs == ["en:three", "sw:four"]
    assert (made.ids, made.languages, made.numbered) == (rows.ids, rows.languages, True)
    single = Rows(["a"], ["one"], None, ["en"])
    assert rewritten(single, lambda row, text: text).pairs is None


def test_chance_goes_on_beyond_a_block_and_comes_from_the_generator():
    chance, again = (uniforms(torch.Generator().manual_seed(1)) for _ in range(2))
    drawn = [next(chance) for _ in range(2 * BLOCK + 5)]
    assert drawn == [next(again) for _ in drawn]
    assert len(set(drawn)) == len(drawn)
    assert 0 <= min(drawn) <= max(drawn) < 1


def test_every_option_can_be_picked_and_none_beyond_them():
    for n in range(1, 200):
        assert pick(range(n), 0.0) == 0
        assert pick(range(n), 1 - 2**-53) == n - 1  # the largest number that is drawn
