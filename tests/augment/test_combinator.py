import pytest

from conlst.arrays import Rows
from conlst.augment import Augmenter, Compose, Masking, OneOf, Union
from conlst.progress import Progress

ROWS = Rows(["1"], ["one"], None, ["en"])


class Wants(Augmenter):
    """It wants a language, and tells how many rows it saw."""

    level = "rows"
    language: str

    def misfits(self, languages):
        return [] if self.language in languages else [f"language: no {self.language!r}"]

    def prepare(self, rows, progress):
        progress.say(self.language)
        return {"rows": len(rows), self.language: "ready"}


class Heard(Progress):
    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


FR, SW = Wants(language="fr"), Wants(language="sw")


@pytest.mark.parametrize(
    ("cls", "field"), [(OneOf, "choices"), (Union, "choices"), (Compose, "steps")]
)
def test_what_does_not_fit_is_told_with_its_place(cls, field):
    inner = OneOf(choices=[SW, FR])
    combinator = cls(**{field: [FR, inner, Masking()]})
    assert combinator.misfits(("en", "fr", "sw")) == []
    assert combinator.misfits(("en", "sw")) == [
        f"{field}.0: language: no 'fr'",
        f"{field}.1: choices.1: language: no 'fr'",
    ]


@pytest.mark.parametrize(
    ("cls", "field"), [(OneOf, "choices"), (Union, "choices"), (Compose, "steps")]
)
def test_every_part_prepares_and_all_that_is_told_is_kept(cls, field):
    heard = Heard()
    combinator = cls(**{field: [FR, OneOf(choices=[SW]), Masking()]})
    told = combinator.prepare(ROWS, heard)
    assert heard.said == ["fr", "sw"]
    assert told == {"rows": 1, "fr": "ready", f"rows ({field}.1)": 1, "sw": "ready"}


def test_parts_are_named_by_their_place():
    light, heavy = Masking(rate=0.1), Masking(rate=0.9)
    assert OneOf(choices=[light, heavy], weights=[1, 2]).parts() == {
        "choices.0": light,
        "choices.1": heavy,
    }
