"""What is not worth training on: a back-translation that is empty, looped, cut or off its script.

Scripts are compared, not languages: that a French text came back in Spanish is not noticed here.
"""

import unicodedata
from collections import Counter
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

N = 6  # characters of a piece that may recur; words would need a segmenter for each script


class Filters(BaseModel):
    """Which back-translations are refused; the row then keeps its text.

    Examples:
        >>> Filters().fault("Où est la gare ?", "Where is the station?", "Où se trouve la gare ?")
        >>> Filters().fault("Où est la gare ?", "Where is the station?", "où est la gare ?")
        'identity'
        >>> Filters().fault("Où est la gare ?", "Where is the station?", "Где вокзал?")
        'script'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    identity: bool = Field(
        True, description="refuse what differs from the text in case and spaces only"
    )
    shortest: float = Field(
        0.5, ge=0, le=1, description="characters, as a share of the text's, at least"
    )
    longest: float = Field(
        2.0, ge=1, description="characters, as a multiple of the text's, at most"
    )
    repetition: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of recurring pieces of 6 characters, above the text's own, at most",
    )
    script: float = Field(
        0.2, ge=0, le=1, description="letters lost to the text's main script, as a share, at most"
    )

    def fault(self, text: str, pivot: str, back: str) -> str | None:
        """Why a back-translation is refused, in one word; None if it is taken.

        Args:
            text: what was translated.
            pivot: its translation into the language between.
            back: the translation of that.
        """
        if not back.strip():
            return "empty"
        if _folded(pivot) == _folded(text) != _folded(back):
            return "untranslated"  # the way back then began in the wrong language
        if self.identity and _folded(back) == _folded(text):
            return "identity"
        if _lost(text, back) > self.script:
            return "script"
        if not self.shortest <= len(back) / max(len(text), 1) <= self.longest:
            return "length"
        if repetition(back) > self.repetition + repetition(text):
            return "repetition"
        return None


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def repetition(text: str) -> float:
    """Share of a text's pieces of six characters that occurred in it before.

    Examples:
        >>> repetition("no loop here"), round(repetition("na na na na na na na"), 2)
        (0.0, 0.8)
    """
    pieces = max(len(text) - N + 1, 0)
    return 1 - len({text[i : i + N] for i in range(pieces)}) / pieces if pieces else 0.0


def _lost(text: str, back: str) -> float:
    """By how much the share of letters in the text's main script fell."""
    before, after = scripts(text), scripts(back)
    if not before:
        return 0.0
    main, count = before.most_common(1)[0]
    return count / before.total() - after[main] / max(after.total(), 1)


def scripts(text: str) -> Counter[str]:
    """How many letters of a text are in which script.

    Examples:
        >>> scripts("Москва (Moskva)")
        Counter({'CYRILLIC': 6, 'LATIN': 6})
    """
    found = Counter(map(_script, text))
    del found[""]
    return found


@lru_cache(maxsize=100_000)
def _script(char: str) -> str:
    """The first word of a letter's name; "" for what is no letter. Japan's three count as one."""
    if not char.isalpha():
        return ""
    words = unicodedata.name(char, "").split()
    first = next((word for word in words if word not in ("FULLWIDTH", "HALFWIDTH")), "")
    return "CJK" if first in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else first
