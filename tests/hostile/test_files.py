"""Bad data files, each with its outcome; `python -m benchmarks.faults` damages thousands more."""

import dataclasses
import random

import pytest

from benchmarks.faults.files import CATALOGUE, damaged, hold, measure, outcome
from conlst.arrays import Rows
from conlst.data.oddities import leaked, oddities, shared
from conlst.errors import BadInput
from conlst.recipe import load
from conlst.texts import read_texts


@pytest.mark.parametrize("case", CATALOGUE, ids=lambda case: case.what)
def test_a_bad_file_has_the_right_outcome(case, tmp_path):
    hold(case, tmp_path)


def test_the_judge_sees_another_outcome(tmp_path):
    refused = next(case for case in CATALOGUE if case.refused)
    accepted = dataclasses.replace(refused, refused=())
    with pytest.raises(AssertionError, match=refused.what):
        hold(accepted, tmp_path)


def test_damaged_files_are_refused_cleanly_or_read(tmp_path):
    chance = random.Random(13)
    for _ in range(150):
        found = outcome(damaged(chance), tmp_path)
        assert isinstance(found, list) or found.startswith("data.")


def test_what_is_measured_counts_them_all():
    result = measure(5, 1)
    assert result["asked"] == result["survived"] == len(CATALOGUE) + 5
    assert result["differing"] == []


def rows(language, *texts, pairs=None):
    return Rows([str(n) for n in range(len(texts))], texts, pairs, [language] * len(texts))


class TestOddities:
    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("sw", "Timu ilishinda 2-0 dhidi ya Россия"),
            ("zh", "中国队 wins"),
            ("ja", "カタカナとひらがな"),
            ("ur", "یہ اردو ہے"),
            ("ckb", "any script, since nothing is known of it"),
            ("zh-Latn", "Zhongguo"),
            ("el", "12 345 !?"),
        ],
    )
    def test_texts_in_their_usual_script_are_not_mentioned(self, language, text):
        assert oddities(rows(language, text), "here") == []

    @pytest.mark.parametrize(
        ("language", "text", "found"),
        [
            ("ur", "yeh roman urdu hai", "mostly Latin letters, but 'ur' is usually"),
            ("fr", "Это русский текст", "mostly Cyrillic letters, but 'fr' is usually"),
            ("ja", "English", "usually written in Cjk or Hiragana or Katakana ones"),
        ],
    )
    def test_mixed_up_languages_show_in_their_script(self, language, text, found):
        (said,) = oddities(rows(language, text), "here")
        assert said.startswith("here: ")
        assert found in said

    def test_control_characters_in_either_text_of_a_pair(self):
        odd = rows("en", "a", "b\x00", "c\td", pairs=["\x1b[2J", "b", "c"])
        (said,) = oddities(odd, "here")
        assert "2 text(s) hold control characters" in said
        assert "ids '1', '0'" in said

    def test_two_languages_with_the_same_texts(self):
        files = {"fr": rows("fr", "a", "b"), "sw": rows("sw", "a", "b"), "ur": rows("ur", "b")}
        assert shared(files) == [
            "fr and sw hold the same texts: is the language of one of them another?"
        ]

    def test_pairs_are_the_same_only_as_pairs(self):
        train = rows("en", "a", "b", pairs=["x", "y"])
        tried = {"fr": rows("fr", "a", pairs=["y"]), "en": train.take([1])}
        (said,) = leaked(tried, train, "train")
        assert said.startswith("en: 1 of 1 row(s) also stand in train, with their labels")


def test_a_folder_where_a_file_belongs(recipe, tmp_path):
    (tmp_path / "sw.tsv").mkdir()
    (tmp_path / "sw.tsv" / "part-0.tsv").write_text("id\ttext\n")
    recipe["data"]["targets"]["sw"] = {"unlabelled": {"path": str(tmp_path / "sw.tsv")}}
    with pytest.raises(BadInput, match=r"is a folder; allowed: a file; it holds part-0\.tsv"):
        read_texts(load(recipe))
