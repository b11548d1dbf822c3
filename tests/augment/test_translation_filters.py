import random
import unicodedata

import pytest
from pydantic import ValidationError

from conlst.augment.translation_filters import Filters, repetition, scripts

TEXT = "Where is the railway station, please?"
PIVOT = "Où est la gare ?"


@pytest.mark.parametrize(
    ("back", "fault"),
    [
        ("Where can I find the railway station?", None),
        ("", "empty"),
        (" \n", "empty"),
        ("where is  the RAILWAY station, please?", "identity"),
        ("Где находится железнодорожный вокзал?", "script"),
        ("Where is the железнодорожный station?", "script"),
        ("Where?", "length"),
        ("Where is the railway station, please, " * 2 + "and more of it still", "length"),
        ("the station, the station, the station, the station,", "repetition"),
        ("哪里哪里", "script"),
    ],
)
def test_what_is_refused_and_why(back, fault):
    assert Filters().fault(TEXT, PIVOT, back) == fault


def test_a_pivot_that_is_the_text_was_never_translated():
    assert Filters().fault(TEXT, TEXT.upper(), "Where lies the station, please?") == "untranslated"
    assert Filters().fault(TEXT, TEXT, TEXT) == "identity"
    assert Filters().fault("Hollywood", "Hollywood", "Hollywood") == "identity"


@pytest.mark.parametrize(
    ("changed", "back"),
    [
        ({"identity": False}, TEXT.upper()),
        ({"script": 1.0}, "Где находится железнодорожный вокзал?"),
        ({"shortest": 0.0}, "Where?"),
        ({"longest": 9.0}, TEXT + " I would really like to know it, as my train is leaving soon."),
        ({"repetition": 1.0}, "the station, the station, the station, the station,"),
    ],
)
def test_each_filter_can_be_opened(changed, back):
    assert Filters().fault(TEXT, PIVOT, back)
    assert Filters(**changed).fault(TEXT, PIVOT, back) is None


def test_a_text_that_repeats_itself_may_do_so_again():
    text, back = "bla bla bla bla bla bla, he said", "bla bla bla bla bla bla, said he"
    assert repetition(back) > 0.2
    assert Filters().fault(text, "blah", back) is None


def test_a_text_of_two_scripts_may_keep_both():
    text = "वह iPhone और WhatsApp रोज इस्तेमाल करता है"
    assert Filters().fault(text, "x", "वह रोज iPhone व WhatsApp चलाता है") is None
    assert Filters().fault(text, "x", "vah iPhone aur WhatsApp roz chalaata hai") == "script"


def test_digits_and_signs_have_no_script():
    assert scripts("12 + 3 = 15!") == {}
    assert Filters().fault("2020", "two", "20 20") is None
    assert Filters().fault("Nr. 5 (2020)", "x", "5 (2020) .....") == "script"


def test_the_scripts_of_japanese_count_as_one():
    assert set(scripts("これはカタカナと漢字です")) == {"CJK"}
    assert set(scripts("ﾊﾝｶｸ ＡＢＣ")) == {"CJK", "LATIN"}
    assert Filters().fault("東京駅はどこですか", "x", "とうきょうえきはどこですか") is None


@pytest.mark.parametrize("seed", range(8))
def test_against_counting_by_hand(seed):
    """The shares again, character by character and in lists."""
    chance = random.Random(seed)
    letters = "ab cé дж 中文か 12.,!हि"
    for _ in range(200):
        text, pivot, back = (
            "".join(chance.choice(letters) for _ in range(chance.randrange(1, 25)))
            for _ in range(3)
        )
        made = Filters(shortest=0.7, longest=1.4, repetition=0.1, script=0.25)
        assert made.fault(text, pivot, back) == slow(made, text, pivot, back), (text, back)


def slow(filters, text, pivot, back):
    def plain(string):
        return string.casefold().split()

    if not plain(back):
        return "empty"
    if plain(pivot) == plain(text) and plain(back) != plain(text):
        return "untranslated"
    if plain(back) == plain(text):
        return "identity"

    def kinds(string):
        names = [unicodedata.name(c) for c in string if unicodedata.category(c)[0] == "L"]
        return ["CJK" if n[:8] == "HIRAGANA" else n.split()[0] for n in names]

    own, other = kinds(text), kinds(back)
    if own:
        main = max(own, key=lambda kind: (own.count(kind), -own.index(kind)))
        lost = own.count(main) / len(own) - (other.count(main) / len(other) if other else 0)
        if lost > filters.script:
            return "script"
    if len(back) < filters.shortest * len(text) or len(back) > filters.longest * len(text):
        return "length"

    def again(string):
        seen, twice = [], 0
        for start in range(len(string) - 5):
            twice += string[start : start + 6] in seen
            seen.append(string[start : start + 6])
        return twice / len(seen) if seen else 0

    return "repetition" if again(back) - again(text) > filters.repetition else None


@pytest.mark.parametrize(
    "changed", [{"shortest": 1.5}, {"longest": 0.5}, {"script": 2.0}, {"x": 1}]
)
def test_limits_that_cannot_be_are_refused(changed):
    with pytest.raises(ValidationError):
        Filters(**changed)
