"""What is odd about texts that can be read: told, since only their owner knows whether it is wrong.

Another script than the language is written in mostly means that files or codes were mixed up; rows
that stand in two places mean that a figure measures memory.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice

import pyarrow as pa

from conlst.arrays import Rows
from conlst.data.places import pc

SCRIPTS = {
    "LATIN": "af az ca cs cy da de en es et eu fi fr ga gl ha hr hu id ig is it lt lv ms mt nl no "
    "pl pt ro rw sk sl so sq sv sw tl tr uz vi xh yo zu",
    "ARABIC": "ar fa ps sd ug ur",
    "CYRILLIC": "be bg kk ky mk mn ru tg uk",
    "DEVANAGARI": "hi mr ne",
    "BENGALI": "as bn",
    "CJK": "ja zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "GREEK": "el",
    "HEBREW": "he yi",
    "THAI": "th",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "GUJARATI": "gu",
    "SINHALA": "si",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "ETHIOPIC": "am ti",
    "KHMER": "km",
    "LAO": "lo",
    "MYANMAR": "my",
}
"""Scripts, as Unicode names them, and languages that are usually written in them."""
LETTERS, HARDLY_ANY = 5000, 0.1
"""Letters that are looked at, and the share of them that may be of the usual script by chance."""
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
"""Characters that no text needs; a tokenizer drops them or takes them for something else."""


def oddities(rows: Rows, where: str) -> list[str]:
    """What is odd about the texts of one file.

    Examples:
        >>> rows = Rows(["7"], ["Naye akasema"], None, ["ur"])
        >>> oddities(rows, "data.targets.ur.test")
        ["data.targets.ur.test: mostly Latin letters, but 'ur' is usually written in Arabic ones"]
    """
    return [f"{where}: {odd}" for odd in (_script(rows), _control(rows)) if odd]


def shared(files: Mapping[str, Rows]) -> list[str]:
    """Files of different languages that hold the very same texts."""
    places: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for where, rows in files.items():
        places.setdefault((tuple(rows.texts), tuple(rows.pairs or ())), []).append(where)
    return [
        f"{' and '.join(same)} hold the same texts: is the language of one of them another?"
        for same in places.values()
        if len(same) > 1
    ]


def leaked(tried: Rows, trained: Rows, where: str, place: str) -> list[str]:
    """Rows to try a model on that it was trained on, with their labels."""
    known = set(_texts(trained))
    both = sum(text in known for text in _texts(tried))
    if not both:
        return []
    return [
        f"{where}: {both} of {len(tried)} row(s) also stand in {place}, with their labels: for "
        "those, accuracy measures memory"
    ]


def _script(rows: Rows) -> str | None:
    language = rows.languages[0]
    usual = [script for script, codes in SCRIPTS.items() if language in codes.split()]
    if not usual:
        return None
    found = Counter(islice(_letters(rows.texts), LETTERS))
    if sum(found[script] for script in usual) >= HARDLY_ANY * found.total():
        return None
    most, wanted = found.most_common(1)[0][0].capitalize(), " or ".join(map(str.capitalize, usual))
    return f"mostly {most} letters, but {language!r} is usually written in {wanted} ones"


def _letters(texts: Iterable[str]) -> Iterable[str]:
    """The script of every letter, a little of each text."""
    for text in texts:
        for char in text[:100]:
            if char.isalpha():
                yield unicodedata.name(char, "?").partition(" ")[0]


def _control(rows: Rows) -> str | None:
    texts = pa.array([*rows.texts, *(rows.pairs or ())], pa.large_string())
    odd = pc.match_substring_regex(texts, CONTROL).to_numpy(zero_copy_only=False).nonzero()[0]
    if not len(odd):
        return None
    ids = list(dict.fromkeys(rows.ids[n % len(rows)] for n in odd[:5].tolist()))
    shown = ", ".join(map(repr, ids)) + (", ..." if len(odd) > 5 else "")
    return f"{len(odd)} text(s) hold control characters, such as a zero byte: ids {shown}"


def _texts(rows: Rows) -> Iterable[tuple[str, str]]:
    return zip(rows.texts, rows.pairs or [""] * len(rows), strict=True)
