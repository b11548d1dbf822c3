import gzip
import json
import os

import pytest

from conlst.augment.dictionaries import synonyms, translations
from conlst.errors import BadInput

LIST = "en\tsw\torigin\nhouse\tnyumba\tfreedict\nHouse\tmaskani\tibm1\nbig\tkubwa\tibm1\n"


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_a_word_may_have_several_lines_and_further_columns_do_not_count(tmp_path):
    found = translations(written(tmp_path, "en-sw.tsv", LIST), "en", "sw")
    assert found == {"house": ("nyumba", "maskani"), "big": ("kubwa",)}


def test_backwards_it_leads_from_the_translation_to_the_word(tmp_path):
    path = written(tmp_path, "en-de.tsv", "house\tHaus\nhome\tHaus\nbig\tgroß\n")
    found = translations(path, "en", "de", backwards=True)
    assert found == {"haus": ("house", "home"), "groß": ("big",)}


@pytest.mark.parametrize("head", ["en\tsw\torigin\n", "word\ttranslation\n", "\ufeffen\tsw\n"])
def test_a_line_that_names_the_columns_is_no_entry(tmp_path, head):
    path = written(tmp_path, "list.tsv", head + "big\tkubwa\n")
    assert translations(path, "en", "sw") == {"big": ("kubwa",)}


def test_without_such_a_line_the_first_is_an_entry(tmp_path):
    path = written(tmp_path, "list.tsv", "an\tun\nen\tsw\n")
    assert translations(path, "en", "sw") == {"an": ("un",), "en": ("sw",)}


def test_packed_or_plain_and_whatever_the_line_ends(tmp_path):
    packed = gzip.compress(LIST.replace("\n", "\r\n").encode() + b"\r\n\n")
    paths = [written(tmp_path, "a.tsv.gz", packed), written(tmp_path, "b.tsv", packed)]
    plain = translations(written(tmp_path, "c.tsv", LIST), "en", "sw")
    assert [translations(path, "en", "sw") for path in paths] == [plain, plain]


def test_synonyms_are_read_once_each_and_never_the_word_itself(tmp_path):
    near = {"movie": ["film", "Movie", "film", "picture"], "br": [], "UNK": ["x"]}
    path = written(tmp_path, "near.json.gz", gzip.compress(json.dumps(near).encode()))
    assert synonyms(path) == {"movie": ("film", "picture"), "unk": ("x",)}


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path):
    path = written(tmp_path, "list.tsv", "big\tkubwa\n")
    first = translations(path, "en", "sw")
    assert translations(path, "en", "sw") is first
    written(tmp_path, "list.tsv", "big\tgrand\n")
    os.utime(path, ns=(1, 1))
    assert translations(path, "en", "sw") == {"big": ("grand",)}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("house\tnyumba\nbig kubwa\n", r"list\.tsv: line 2: found 'big kubwa'; allowed: word, tab"),
        ("house\tnyumba\n\tkubwa\n", "line 2: found"),
        ("house\tnyumba\nbig\t\torigin\n", "line 2: found"),
        ("en\tsw\n", "found no word with another"),
        ("", "found no word with another"),
        (b"house\tnyumba\nbig\t\xff\n", "line 2: not UTF-8 text: byte 0xff"),
        (b"\x1f\x8b broken", "cannot be read"),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_line(tmp_path, content, complaint):
    path = written(tmp_path, "list.tsv", content)
    with pytest.raises(BadInput, match=complaint):
        translations(path, "en", "sw")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"movie": ["film"],}', r"near\.json: not JSON: .*line 1.*allowed: "),
        ('["movie"]', r"found \['movie'\]; allowed: "),
        ('{"movie": "film"}', "at 'movie': found 'film'; allowed: "),
        ('{"movie": ["film", 3]}', r"at 'movie': found \['film', 3\]"),
        ('{"movie": []}', "found no word with another"),
        (b'{"a":\n"\xe9"}', "line 2: not UTF-8"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_synonyms_that_are_none_are_refused_with_the_word(tmp_path, content, complaint):
    path = written(tmp_path, "near.json", content)
    with pytest.raises(BadInput, match=complaint):
        synonyms(path)


def test_a_file_that_is_missing_is_told_with_those_of_similar_names(tmp_path):
    written(tmp_path, "en-sw.tsv", LIST)
    with pytest.raises(BadInput, match=r"no file .*en-sv\.tsv'; in that folder: en-sw\.tsv"):
        translations(str(tmp_path / "en-sv.tsv"), "en", "sv")
    with pytest.raises(BadInput, match="nothing of a similar name"):
        synonyms(str(tmp_path / "zzzzzz"))
    with pytest.raises(BadInput, match="there is no folder"):
        synonyms(str(tmp_path / "nowhere" / "near.json"))
