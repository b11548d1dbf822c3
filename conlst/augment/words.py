"""Texts as words: cut, replaced one by one, joined again.

A word is a run of letters and digits, with the marks that belong to them (the vowel signs of Hindi,
say) and with single apostrophes and hyphens inside; punctuation is never part of one. In scripts
written without spaces (Han, Kana, Thai, Lao, Khmer, Myanmar) every character counts as a word:
there is no segmenter here, so of a dictionary they meet the entries of one character only.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import torch

from conlst.arrays import Rows

T = TypeVar("T")

BLOCK = 1024
"""Chance is drawn so many numbers at a time: one by one, the drawing would cost the most."""

SPACELESS = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U000323af"  # Han and Kana
    "\u0e00-\u0eff"  # Thai and Lao
    "\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"  # Khmer and Myanmar
)
MARKS = "\u200c\u200d" + "".join(
    chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code))[0] == "M"
)  # Python's \w knows no marks: a Hindi word would fall apart at its vowel signs
APOSTROPHES = "'\u2019"
HYPHENS = "\u2010\u2011-"

_ALONE = rf"(?=[^\W_])[{SPACELESS}][{MARKS}]*"
_RUN = rf"(?:(?![{SPACELESS}])[^\W_][{MARKS}]*)+"
WORD = re.compile(rf"({_ALONE}|{_RUN}(?:[{APOSTROPHES}{HYPHENS}]{_RUN})*)")


def cut(text: str) -> list[str]:
    """The text in pieces: what stands before, between and behind its words, in turn with them.

    `cut(text)[1::2]` are the words, and `"".join(cut(text))` is the text.

    Examples:
        >>> cut("Don't stop, well-known word.")
        ['', "Don't", ' ', 'stop', ', ', 'well-known', ' ', 'word', '.']
        >>> cut("हिन्दी 中文!")[1::2]
        ['हिन्दी', '中', '文']
    """
    return WORD.split(text)


def key(word: str) -> str:
    """How a dictionary knows the word: composed, in lower case, with plain apostrophes.

    Examples:
        >>> key("DON’T")
        "don't"
    """
    return unicodedata.normalize("NFC", word).lower().replace("\u2019", "'")


def cased(word: str, like: str) -> str:
    """The word with a capital where `like` begins with one, or in capitals where `like` is.

    Examples:
        >>> cased("film", "Movie"), cased("film", "MOVIE"), cased("Haus", "house"), cased("je", "I")
        ('Film', 'FILM', 'Haus', 'Je')
    """
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def replaced(text: str, change: Callable[[str], str]) -> str:
    """The text with every word changed and all between the words as it was.

    Examples:
        >>> replaced("A film, (a) word.", str.upper)
        'A FILM, (A) WORD.'
    """
    pieces = cut(text)
    pieces[1::2] = map(change, pieces[1::2])
    return "".join(pieces)


def rewritten(rows: Rows, rewrite: Callable[[int, str], str]) -> Rows:
    """The rows with `rewrite(row, text)` for each text, both texts of a pair included.

    Examples:
        >>> rows = Rows(["1"], ["a film"], ["no film"], ["en"])
        >>> rewritten(rows, lambda row, text: f"{text}!").pairs
        ['no film!']
    """

    def each(texts: Sequence[str]) -> list[str]:
        return [rewrite(row, text) for row, text in enumerate(texts)]

    pairs = None if rows.pairs is None else each(rows.pairs)
    return replace(rows, texts=each(rows.texts), pairs=pairs)


def uniforms(generator: torch.Generator) -> Iterator[float]:
    """Numbers from U[0, 1), without end.

    Examples:
        >>> chance = uniforms(torch.Generator().manual_seed(0))
        >>> round(next(chance), 4), round(next(chance), 4)
        (0.9701, 0.7078)
    """
    while True:
        yield from torch.rand(BLOCK, generator=generator, dtype=torch.float64).tolist()


def pick(options: Sequence[T], u: float) -> T:
    """One of the options, each with the same chance if u is from U[0, 1).

    Examples:
        >>> pick(["a", "b", "c"], 0.5)
        'b'
    """
    return options[int(u * len(options))]
