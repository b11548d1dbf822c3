import json

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Rows
from conlst.augment.back_translation import BackTranslation
from conlst.augment.base import augmenters
from conlst.augment.translators import MBart50, Table
from conlst.errors import BadInput
from conlst.progress import Progress
from conlst.testing import check
from tests.augment.translators.conftest import (  # noqa: F401  (fixtures)
    generated,
    tiny_mbart50,
    tiny_nllb,
)
from tests.augment.translators.test_apertium import needs_apertium

FRENCH = {
    # text: (between, back)
    "le chat dort": ("the cat sleeps", "le matou dort"),
    "il pleut": ("it rains", "il pleut"),
    "je suis là": ("I am here", ""),
    "la ville": ("the city", "город"),
    "oui": ("yes", "oui oui oui oui oui oui oui"),
    "non": ("no", "nan"),
}
SWAHILI = {"habari gani": ("how are you", "u hali gani"), "ndiyo": ("yes", "naam")}
FAULTS = {
    "il pleut": "identity",
    "je suis là": "empty",
    "la ville": "script",
    "oui": "length",
}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CONLST_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path):
    path, lines = tmp_path / "made.jsonl", []
    for code, texts in (("fr", FRENCH), ("sw", SWAHILI)):
        for text, (between, back) in texts.items():
            lines.append([code, "en", text, between])
            lines.append(["en", code, between, back])
    keys = ("source", "target", "text", "translation")
    path.write_text("\n".join(json.dumps(dict(zip(keys, line, strict=True))) for line in lines))
    return Table(path=str(path))


def rows(texts, pairs=None, languages=None):
    languages = languages or ["fr"] * len(texts)
    return Rows([str(i) for i in range(len(texts))], texts, pairs, languages)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Bars(Progress):
    def __init__(self):
        self.told = []

    def task(self, what, total):
        return Bar(self, what, total)


class Bar:
    def __init__(self, bars, what, total):
        self.bars, self.what, self.total, self.done = bars, what, total, 0

    def __enter__(self):
        return self

    def __call__(self, n=1):
        self.done += n

    def __exit__(self, *error):
        self.bars.told.append((self.what, self.total, self.done))


@pytest.mark.parametrize("changed", [{}, {"pivot": "fr"}, {"draw": 3, "filters": {"script": 0.5}}])
def test_it_keeps_the_contract(table, changed):
    check(BackTranslation.model_validate({"translators": [table], "missing": "skip"} | changed))


@pytest.mark.oracle("augmenters.back_translation")
@pytest.mark.parametrize("prepared", [True, False])
def test_each_text_is_replaced_where_its_back_translation_is_good(table, prepared):
    part = BackTranslation(translators=[table])
    texts = [*FRENCH, "habari gani", "inconnu"]
    pairs = ["non", "il pleut", "", "oui", "le chat dort", " ", "ndiyo", "la ville"]
    given = rows(texts, pairs, ["fr"] * 6 + ["sw", "fr"])
    if prepared:
        part.prepare(given, Progress())
    made, origin = part.rows(given, generator=seeded())

    def slow(text, language):
        known = FRENCH if language == "fr" else SWAHILI
        if text not in known or text in FAULTS:
            return text
        return known[text][1]

    for i in range(8):
        assert made.texts[i] == slow(given.texts[i], given.languages[i])
        assert made.pairs[i] == slow(given.pairs[i], given.languages[i])
    assert origin.tolist() == list(range(8))
    assert origin.dtype == torch.int64
    assert (made.ids, made.languages) == (given.ids, given.languages)
    assert made.texts[0] == "le matou dort"
    assert made.pairs[0] == "nan"
    assert given.texts == texts


def test_single_texts_stay_single(table):
    made, _ = BackTranslation(translators=[table]).rows(rows(["non"]), generator=seeded())
    assert made.texts == ["nan"]
    assert made.pairs is None


def test_the_report_is_told_who_did_what(table):
    part = BackTranslation(translators=[table])
    given = rows([*FRENCH, "ndiyo"], [*FRENCH, "ndiyo"], ["fr"] * 6 + ["sw"])
    bars = Bars()
    facts = part.prepare(given, bars)
    assert json.loads(json.dumps(facts)) == facts
    assert facts == {
        "languages": {
            "fr": {
                "translator": "table",
                "pivot": "en",
                "texts": 6,
                "translated_now": 12,
                "kept": 2,
                "refused": {"empty": 1, "identity": 1, "length": 1, "script": 1},
            },
            "sw": {
                "translator": "table",
                "pivot": "en",
                "texts": 1,
                "translated_now": 2,
                "kept": 1,
                "refused": {},
            },
        },
        "skipped": [],
    }
    assert bars.told == [
        ("back-translating fr via en", 12, 12),
        ("back-translating sw via en", 2, 2),
    ]
    again = part.prepare(given, Progress())
    assert again["languages"]["fr"] == facts["languages"]["fr"] | {"translated_now": 0}


def test_filters_are_asked_anew_without_translating_anew(table):
    BackTranslation(translators=[table]).prepare(rows(list(FRENCH)), Progress())
    open_ = {"identity": False, "script": 1.0, "longest": 99.0}
    part = BackTranslation.model_validate({"translators": [table], "filters": open_})
    told = part.prepare(rows(list(FRENCH)), Progress())["languages"]["fr"]
    assert told["translated_now"] == 0
    assert told["refused"] == {"empty": 1, "repetition": 1}


def test_a_language_without_translator_is_an_error_or_is_skipped(table):
    given = rows(["non", "สวัสดี"], None, ["fr", "th"])
    strict = BackTranslation(translators=[table])
    assert strict.misfits(("fr", "th")) == [
        "'th' via 'en': no translator goes there and back (table does for fr); name another "
        "translator or pivot, or set missing to 'skip'"
    ]
    for use in (lambda: strict.prepare(given, Progress()), lambda: strict.rows(given, generator=0)):
        with pytest.raises(BadInput, match="back_translation: 'th' via 'en': no translator"):
            use()
    lenient = BackTranslation(translators=[table], missing="skip")
    assert lenient.misfits(("fr", "th")) == []
    facts = lenient.prepare(given, Progress())
    assert facts["skipped"] == ["th"]
    assert list(facts["languages"]) == ["fr"]
    made, _ = lenient.rows(given, generator=seeded())
    assert made.texts == ["nan", "สวัสดี"]


def test_what_a_translator_lacks_is_a_misfit_even_where_languages_may_be_skipped(tmp_path):
    part = BackTranslation(translators=[Table(path=str(tmp_path / "none.jsonl"))], missing="skip")
    assert part.misfits(("fr",)) == [f"'fr' by table: there is no file {tmp_path / 'none.jsonl'}"]


def test_a_language_that_is_its_own_pivot_is_a_misfit(table):
    part = BackTranslation(translators=[table], pivot="en")
    assert part.misfits(("fr", "en")) == [
        "'en' needs another language as its pivot; set pivot['en']"
    ]
    assert BackTranslation().misfits(("en", "de")) == []  # by default English goes via French


def test_by_default_greek_and_bulgarian_go_to_the_second_translator():
    names = {code: BackTranslation()._route(code).translator.name for code in ("fr", "el", "bg")}
    assert names == {"fr": "mbart50", "el": "m2m100", "bg": "m2m100"}


def test_a_recipe_writes_it_out_and_reads_it_back(table):
    part = augmenters.validate(
        {
            "type": "back_translation",
            "translators": [{"type": "table", "path": table.path}, {"type": "apertium"}],
            "pivot": {"fr": "es", "*": "en"},
        }
    )
    assert augmenters.validate(json.loads(json.dumps(part.model_dump()))) == part
    assert [one.name for one in part.walk()] == ["back_translation", "table", "apertium"]
    with pytest.raises(ValidationError) as caught:
        augmenters.validate({"type": "back_translation", "translators": [{"type": "mbart"}]})
    assert caught.value.errors()[0]["loc"] == ("translators", 0, "type")
    with pytest.raises(ValidationError, match="translators"):
        BackTranslation(translators=[])


@pytest.mark.usefixtures("generated")
def test_a_second_run_calls_no_generate_and_loads_no_model(
    tiny_mbart50,
    generated,
    monkeypatch,
):
    part = BackTranslation.model_validate(
        {
            "translators": [
                {"type": "mbart50", "model": str(tiny_mbart50), "beams": 2, "max_new_tokens": 8}
            ],
            "filters": {"script": 1.0, "shortest": 0.0, "longest": 99.0, "repetition": 1.0},
        }
    )
    given = rows(["The river is wide.", "Bonjour"], ["It rains.", "Oui"], ["de", "fr"])
    first = part.prepare(given, Progress())
    view, _ = part.rows(given, generator=seeded(1))
    calls = len(generated)
    forced = [call.forced_bos_token_id for call in generated]
    assert len(set(forced)) == 3  # into English, and back into each of two languages
    assert view.texts != given.texts
    monkeypatch.setattr(MBart50, "opened", lambda self: pytest.fail("opened"))
    again = part.prepare(given, Progress())
    assert again["languages"]["fr"]["translated_now"] == 0
    assert again["languages"]["fr"]["kept"] == first["languages"]["fr"]["kept"]
    assert part.rows(given, generator=seeded(2))[0].texts == view.texts
    assert len(generated) == calls


def test_another_draw_gives_another_sample(tiny_mbart50):
    settings = {"type": "mbart50", "model": str(tiny_mbart50), "beams": 1, "temperature": 2.0}
    free = {"script": 1.0, "shortest": 0.0, "longest": 99.0, "repetition": 1.0}
    given = rows(["The river is wide.", "It rains."])

    def view(draw):
        part = BackTranslation.model_validate(
            {"translators": [settings], "draw": draw, "filters": free}
        )
        return part.rows(given, generator=seeded())[0].texts

    assert view(0) == view(0)
    assert view(1) != view(0)


def test_chance_elsewhere_is_left_alone(tiny_nllb):
    settings = {"type": "nllb", "model": str(tiny_nllb), "max_new_tokens": 4}
    part = BackTranslation.model_validate({"translators": [settings]})
    torch.manual_seed(3)
    before = torch.get_rng_state()
    part.rows(rows(["The river is wide."]), generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


@needs_apertium
def test_real_translations_of_five_languages_from_start_to_finish():
    part = BackTranslation.model_validate(
        {
            "translators": [{"type": "apertium"}],
            "pivot": {"es": "en", "fr": "es", "hi": "ur", "ur": "hi", "bg": "mk"},
            "missing": "skip",
        }
    )
    texts = {
        "es": "Dejaron de visitar a la familia porque estaban muy cansados.",
        "fr": "Ils ont, d'une certaine façon, arrêté de visiter la famille.",
        "hi": "और दादी वो कहानी सुनाती थी कि कैसे उनकी बहन ने जाने का निर्णय किया",
        "ur": "چال یہ ہے کہ مجھے بستی میں کچھ دنوں کے لئے رہنا ہے۔",
        "bg": "А баба разказваше историята за това как сестра ѝ се премести в града.",
        "th": "แมวนอนในบ้าน",
    }
    given = rows(list(texts.values()), None, list(texts))
    assert part.misfits(tuple(texts)) == []
    facts = part.prepare(given, Progress())
    assert facts["skipped"] == ["th"]
    assert {told["translator"] for told in facts["languages"].values()} == {"apertium"}
    assert all(told["kept"] == 1 for told in facts["languages"].values()), facts
    made, _ = part.rows(given, generator=seeded())
    changed = [a != b for a, b in zip(made.texts, given.texts, strict=True)]
    assert changed == [True] * 5 + [False]
    assert part.prepare(given, Progress())["languages"]["es"]["translated_now"] == 0
