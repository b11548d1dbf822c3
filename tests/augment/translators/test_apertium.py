import shutil
import subprocess
from types import SimpleNamespace

import pytest

from conlst.augment.translators import Apertium, apertium
from conlst.errors import BadInput
from conlst.testing import check
from conlst.testing.strategies import check_strategy
from tests.augment.translators.slow import seeded

PAIRS = {("es", "en"): "spa-eng", ("fr", "es"): "fr-es", ("hi", "ur"): "hin-urd"}
PAIRS |= {("ur", "hi"): "urd-hin", ("bg", "mk"): "bul-mkd"}
MODES = (
    subprocess.run(["apertium", "-l"], capture_output=True, text=True, check=False).stdout.split()
    if shutil.which("apertium")
    else []
)
needs_apertium = pytest.mark.skipif(
    not set(PAIRS.values()) <= set(MODES),
    reason="apt-get install apertium apertium-eng-spa apertium-fr-es apertium-urd-hin "
    "apertium-mkd-bul",
)
ODD = [
    "El gato duerme en la casa.",
    "el perro",
    "¿Dónde está [el gato]? {uno} <b>dos</b> ^tres$ \\ @casa 24/7 y/o *#",
    "",
    "   ",
    "Primera línea.\nSegunda\tlínea.\r\n",
    "xyzzyplugh",
    "0\0\0cero",
    "☃ 😀 \u200d \x07\x1b[31m",
    "...",
    "[]",
    "El Sr.",
    "fin" * 200,
]


def translated(texts, source, target):
    with Apertium().opened() as translate:
        return translate(texts, source, target, generator=seeded())


def test_it_is_described():
    check_strategy(Apertium())


@needs_apertium
def test_it_keeps_the_contract():
    check(Apertium())


def test_it_knows_what_debian_has_packages_for_installed_or_not(monkeypatch):
    monkeypatch.setattr(apertium, "_program", lambda: None)
    for source, target in PAIRS:
        assert Apertium().knows(source, target)
        assert Apertium().knows(target, source)
    assert Apertium().knows("es-MX", "en")
    assert not Apertium().knows("th", "en")
    assert not Apertium().knows("es", "es")


def test_what_is_not_installed_is_said_with_its_packages(monkeypatch):
    monkeypatch.setattr(apertium, "_program", lambda: None)
    wanted = "apertium is not installed: apt-get install apertium apertium-eng-spa"
    assert Apertium().obstacle("es", "en") == wanted
    with pytest.raises(BadInput, match="apertium is not installed: apt-get install apertium"):
        translated(["hola"], "es", "en")


def test_other_modes_that_are_installed_are_known_too(monkeypatch):
    monkeypatch.setattr(apertium, "_program", lambda: "apertium")
    monkeypatch.setattr(apertium, "_modes", lambda program: frozenset({"cat-ita", "oc-ca"}))
    assert Apertium().knows("ca", "it")
    assert Apertium().knows("oc", "ca")
    assert not Apertium().knows("it", "ca")
    assert Apertium().obstacle("ca", "it") is None
    assert Apertium().obstacle("hi", "ur") == (
        "apertium's mode for hi to ur is not installed: apt-get install apertium apertium-urd-hin"
    )


@needs_apertium
@pytest.mark.parametrize(("source", "target"), sorted(PAIRS))
def test_every_pair_of_the_bed_goes_there_and_back(source, target):
    text = {
        "es": "El gato duerme en la casa.",
        "fr": "Le chat dort dans la maison.",
        "hi": "मैं घर जा रहा हूँ।",
        "ur": "میں گھر جا رہا ہوں۔",
        "bg": "Котката спи в къщата.",
    }[source]
    assert Apertium().obstacle(source, target) is None
    (there,) = translated([text], source, target)
    (back,) = translated([there], target, source)
    assert there not in ("", text)
    assert back
    assert not set("*@#/") & set(there + back)


@needs_apertium
def test_no_text_disturbs_its_neighbours():
    together = translated(ODD, "es", "en")
    for i in (1, 2, 8, 11):
        assert translated([ODD[i]], "es", "en") == [together[i]]
    assert together[0] == "The cat sleeps in the house."
    assert together[2].endswith("24/7 and/or *#")
    assert "[the cat]" in together[2]
    assert "<b>two</b> ^three$ \\ @marries" in together[2]
    assert together[3:5] == ["", ""]
    assert together[5] == "First line. Second line."
    assert together[6] == "xyzzyplugh"
    assert together[9:11] == ["...", "[]"]


@needs_apertium
def test_of_alternatives_the_first_is_taken():
    with_both = "اور اس نے کہا، ماں، میں گھر آیا ہوں۔"
    raw, _ = apertium._once("urd-hin", [with_both])
    said = subprocess.run(
        ["apertium", "-u", "urd-hin"], input=with_both, capture_output=True, text=True, check=True
    )
    assert "हूं/हूँ" in said.stdout
    assert raw[0].endswith("हूं।")


@pytest.mark.oracle("translators.apertium")
@pytest.mark.parametrize(
    "part",
    [
        r"he kept/holds it",
        r"(a/b), c/d/e. f",
        r"and\/or 24\/7 x/y",
        r"ho jay/ho jae now",
        r"@word \@real a\\b \[x\]",
        "हूं/हूँ। और",
        "  two   spaces ",
        "",
    ],
)
def test_the_stream_is_read_as_a_reader_letter_by_letter_reads_it(part):
    assert apertium._plain(part) == slow_plain(part)


def slow_plain(part):
    """Words one by one: the first alternative stays, an unescaped @ falls, a backslash goes."""
    part = part.replace("ho jay/ho jae", "ho jay")  # of two words each: the rule has no letters
    out, skipping, i = "", False, 0
    while i < len(part):
        letter = part[i]
        if letter == "\\":
            i += 1
            out, skipping = out + part[i], False
        elif letter == "/":
            skipping = True
        elif skipping and (letter.isspace() or letter in "(),.;:!?।"):
            out, skipping = out + letter, False
        elif not skipping and letter != "@":
            out += letter
        i += 1
    return " ".join(out.split())


def test_a_text_that_the_engine_stumbles_over_becomes_empty_and_no_other(monkeypatch):
    def run(command, *, input, **others):
        texts = input.decode().split("\0")[:-1]
        made = "\0".join(t.upper() for t in texts) + "\0\0"
        lost = any("bad" in t for t in texts)
        return SimpleNamespace(
            returncode=0, stdout=b"" if lost else made.encode(), stderr=b"segmentation fault"
        )

    monkeypatch.setattr(apertium.subprocess, "run", run)
    texts = [f"text {i}" for i in range(9)]
    texts[4] = "bad"
    made = apertium._translated("spa-eng", texts)
    assert made == [text.upper() if text != "bad" else "" for text in texts]


def test_a_program_that_does_not_work_at_all_is_an_error(monkeypatch):
    def run(command, **others):
        return SimpleNamespace(returncode=1, stdout=b"", stderr=b"Install an UTF-8 locale")

    monkeypatch.setattr(apertium.subprocess, "run", run)
    with pytest.raises(BadInput, match="apertium spa-eng does not work: Install an UTF-8 locale"):
        apertium._translated("spa-eng", ["a", "b"])


@needs_apertium
def test_the_identity_names_the_program_and_its_dictionaries():
    assert "Apertium 3" in Apertium().identity()
    assert Apertium().identity() == Apertium().identity()
