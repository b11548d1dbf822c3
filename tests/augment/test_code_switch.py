import gzip
from collections import Counter
from itertools import product

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Rows
from conlst.augment import CodeSwitch
from conlst.errors import BadInput
from conlst.testing import check
from tests.augment.frequencies import assert_frequencies

LISTS = {
    "fr": {"house": ["maison"], "big": ["grand", "gros"], "fat": ["gros"]},
    "sw": {"house": ["nyumba"], "old": ["zee"]},
}
BACK = {
    "fr": {"maison": ["house"], "grand": ["big"], "gros": ["big", "fat"]},
    "sw": {"nyumba": ["house"], "zee": ["old"]},
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def folder(tmp_path):
    for language, words in LISTS.items():
        lines = [f"{word}\t{other}\tus" for word, others in words.items() for other in others]
        content = "\n".join([f"en\t{language}\torigin", *lines, ""]).encode()
        (tmp_path / f"en-{language}.tsv.gz").write_bytes(gzip.compress(content))
    return tmp_path


@pytest.fixture
def path(folder):
    return str(folder / "en-{language}.tsv.gz")


def rows_of(language, *texts, pairs=None):
    ids = [str(i) for i in range(len(texts))]
    return Rows(ids, list(texts), pairs, [language] * len(texts))


def slow_texts(text, lists, rate):
    """Every text that may come of words with spaces between, with its probability."""
    outcomes = Counter({(): 1.0})
    for word in text.split():
        options = Counter({word: 1 - rate})
        for words in lists:
            others = words.get(word, [word])
            for other in others:
                options[other] += rate / len(lists) / len(others)
        outcomes = Counter(
            {
                (*before, other): p * q
                for (before, p), (other, q) in product(outcomes.items(), options.items())
            }
        )
    return {" ".join(words): p for words, p in outcomes.items()}


def slow_pairs(text, pair, lists, rate, per):
    """The same for both texts, whose language is one where it is drawn for the row."""
    outcomes = Counter()
    ways = [lists] if per == "word" else [[words] for words in lists]
    for way in ways:
        for (a, p), (b, q) in product(
            slow_texts(text, way, rate).items(), slow_texts(pair, way, rate).items()
        ):
            outcomes[a, b] += p * q / len(ways)
    return outcomes


@pytest.mark.oracle("augmenters.code_switch")
@pytest.mark.parametrize("per", ["word", "row"])
@pytest.mark.parametrize("rate", [0.3, 0.8, 1.0])
@pytest.mark.parametrize("language", ["en", "fr", "sw", "th"])
def test_every_text_is_as_likely_as_its_words_make_it(path, language, rate, per):
    text, pair = {
        "en": ("big house", "old big"),
        "fr": ("gros maison ici", "grand"),
        "sw": ("nyumba", "zee zee"),
        "th": ("house maison", "nyumba"),
    }[language]
    lists = {"en": list(LISTS.values()), "th": [{}]}.get(language) or [BACK[language]]
    switch = CodeSwitch(path=path, rate=rate, per=per)
    made, origin = switch.rows(
        rows_of(language, *[text] * 3000, pairs=[pair] * 3000), generator=seeded(1)
    )
    assert origin.tolist() == list(range(3000))
    expected = slow_pairs(text, pair, lists, rate, per)
    assert_frequencies(zip(made.texts, made.pairs, strict=True), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rate": 1.0},
        {"per": "row"},
        {"languages": ["sw"]},
        {"source": "sw", "languages": ["fr"]},
    ],
)
def test_it_keeps_the_contract(path, options):
    check(CodeSwitch(path=path, **options))


def test_words_are_found_in_any_capitals_and_beside_punctuation(path):
    rows = rows_of("en", "House! (HOUSE), house.")
    made, _ = CodeSwitch(path=path, rate=1, languages=["fr"]).rows(rows, generator=seeded())
    assert made.texts == ["Maison! (MAISON), maison."]


def test_named_languages_are_the_only_ones_to_switch_into_and_from(path):
    rows = Rows(list("123"), ["house", "maison", "nyumba"], None, ["en", "fr", "sw"])
    made, _ = CodeSwitch(path=path, rate=1, languages=["sw"]).rows(rows, generator=seeded())
    assert made.texts == ["nyumba", "maison", "house"]


def test_words_of_one_text_may_go_into_different_languages_unless_drawn_by_row(path):
    rows = rows_of("en", *["house house"] * 60)
    by_word, _ = CodeSwitch(path=path, rate=1).rows(rows, generator=seeded())
    by_row, _ = CodeSwitch(path=path, rate=1, per="row").rows(rows, generator=seeded())
    assert len(set(by_word.texts)) == 4
    assert set(by_row.texts) == {"maison maison", "nyumba nyumba"}


def test_only_files_that_are_called_after_a_language_are_found(folder, path):
    (folder / "en-synonyms.tsv.gz").write_text("no language")
    (folder / "en-en.tsv.gz").write_text("the source itself")
    (folder / "en-.tsv.gz").write_text("nobody")
    (folder / "fr").write_text("house\tmaison\n")
    assert CodeSwitch(path=path).misfits(("en", "fr", "sw")) == []
    assert CodeSwitch(path=str(folder / "{language}")).misfits(("en", "fr")) == []


def test_the_language_may_stand_twice_in_the_path_and_brackets_are_no_pattern(tmp_path):
    for where, code in [("fr", "fr"), ("sw", "fr"), ("pt-BR", "pt-BR")]:
        inside = tmp_path / "a[b]" / where
        inside.mkdir(parents=True)
        (inside / f"1{code}2.tsv").write_text("house\tcasa\n")
    switch = CodeSwitch(path=str(tmp_path / "a[b]" / "{language}" / "1{language}2.tsv"))
    assert switch.misfits(("en", "fr", "pt-BR")) == []
    rows = rows_of("pt-BR", "Casa")
    assert switch.model_copy(update={"rate": 1.0}).rows(rows, generator=seeded())[0].texts == [
        "House"
    ]


def test_faults_are_told_before_anything_runs(folder, path):
    (th,) = CodeSwitch(path=path).misfits(("en", "fr", "th"))
    assert th.startswith("path: no word list of 'th': there is no file")
    assert CodeSwitch(path=path, languages=["fr"]).misfits(("en", "fr", "th")) == []
    (named,) = CodeSwitch(path=path, languages=["de"]).misfits(("en",))
    assert named.startswith("languages: no word list of 'de'")
    (folder / "en-fr.tsv.gz").write_text("no tab\n")
    (unread,) = CodeSwitch(path=path).misfits(("en",))
    assert "line 1: found 'no tab'" in unread
    (none,) = CodeSwitch(path=str(folder / "to-{language}.tsv")).misfits(("en",))
    assert none.startswith("path: there is no file")


def test_a_named_language_without_a_list_is_told_where_it_is_needed(path):
    with pytest.raises(BadInput, match=r"en-de\.tsv\.gz"):
        CodeSwitch(path=path, languages=["de"]).rows(rows_of("en", "house"), generator=seeded())


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"path": "en-fr.tsv"}, "{language} must stand"),
        ({"languages": ["fr", "en"]}, "languages holds 'en', the source itself"),
        ({"languages": []}, "at least 1 item"),
        ({"rate": 0.0}, "greater than 0"),
        ({"per": "text"}, "'word' or 'row'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(wrong, complaint):
    with pytest.raises(ValidationError, match=complaint):
        CodeSwitch(**{"path": "en-{language}.tsv"} | wrong)
