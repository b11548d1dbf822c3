import pytest

from conlst.augment.translators import M2M100, MBart50, Table
from conlst.augment.translators.routes import Route, between, lost, route

BOTH = [MBart50(), M2M100()]


def test_the_first_that_knows_a_language_there_and_back_takes_it():
    assert route("fr", "en", BOTH) == Route("fr", "en", MBart50())
    assert route("el", "en", BOTH) == Route("el", "en", M2M100())
    assert route("fr", "el", BOTH) == Route("fr", "el", M2M100())
    assert route("xx", "en", BOTH) is None


def test_one_way_is_not_enough(tmp_path):
    path = tmp_path / "t.jsonl"
    line = '{"source": "%s", "target": "%s", "text": "a", "translation": "b"}\n'
    path.write_text(line % ("fr", "en"))
    assert route("fr", "en", [Table(path=str(path))]) is None
    path.write_text(line % ("fr", "en") + line % ("en", "fr"))
    assert route("fr", "en", [Table(path=str(path))]) is not None


@pytest.mark.parametrize(
    ("language", "pivot", "wanted"),
    [
        ("fr", "en", "en"),
        ("en", "en", None),
        ("fr", {"*": "en", "en": "de"}, "en"),
        ("en", {"*": "en", "en": "de"}, "de"),
        ("en", {"*": "en"}, None),
        ("fr", {"hi": "ur"}, None),
    ],
)
def test_the_pivot_of_a_language(language, pivot, wanted):
    assert between(language, pivot) == wanted
    assert wanted is not None or route(language, pivot, BOTH) is None


def test_who_is_lost_hears_who_is_not():
    said = lost("el", "en", [MBart50(), MBart50()], ["fr", "el", "hi"])
    assert said.startswith("'el' via 'en': no translator goes there and back")
    assert "(mbart50 does for fr, hi)" in said
    assert "mbart50 does for none" in lost("el", "en", [MBart50()], ["el"])
    assert lost("en", "en", BOTH, []).endswith("set pivot['en']")


def test_an_obstacle_is_said_once(tmp_path):
    path = str(tmp_path / "none.jsonl")
    found = route("fr", "en", [Table(path=path)])
    assert found.obstacles() == [f"'fr' by table: there is no file {path}"]
    assert Route("fr", "en", MBart50()).obstacles() == []
