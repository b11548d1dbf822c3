import json
import random

import pytest

from conlst.augment.translators import Table
from conlst.errors import BadInput
from conlst.testing import check
from tests.augment.translators.slow import seeded

LINES = [
    {"source": "fr", "target": "en", "text": "un", "translation": "one"},
    {"source": "en", "target": "fr", "text": "one", "translation": "un"},
    {"source": "fr", "target": "en", "text": "deux mots", "translation": "two words"},
    {"source": "fr", "target": "en", "text": "un", "translation": "a"},
]


def written(path, lines):
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n")
    return Table(path=str(path))


@pytest.fixture
def table(tmp_path):
    return written(tmp_path / "made.jsonl", LINES)


def test_it_keeps_the_contract(table):
    check(table)


def test_it_knows_the_pairs_of_its_file(table):
    assert table.knows("fr", "en")
    assert table.knows("en", "fr")
    assert not table.knows("fr", "de")


def test_the_last_line_counts_and_what_is_not_there_is_empty(table):
    with table.opened() as translate:
        made = translate(["un", "deux", "deux mots", "one", ""], "fr", "en", generator=seeded())
    assert made == ["a", "", "two words", "", ""]


@pytest.mark.oracle("translators.table")
@pytest.mark.parametrize("seed", range(5))
def test_it_finds_what_a_search_from_the_end_finds(tmp_path, seed):
    chance, words = random.Random(seed), ["a", "b ", " b", "né", "中 文", "x\ty", '"']
    lines = [
        {
            "source": chance.choice(["fr", "en"]),
            "target": chance.choice(["en", "sw"]),
            "text": chance.choice(words),
            "translation": str(number),
        }
        for number in range(60)
    ]
    with written(tmp_path / "t.jsonl", lines).opened() as translate:
        for source, target in [("fr", "en"), ("en", "sw"), ("fr", "sw"), ("sw", "fr")]:
            slow = []
            for word in [*words, "none"]:
                wanted = (source, target, word)
                hits = [
                    line["translation"]
                    for line in reversed(lines)
                    if (line["source"], line["target"], line["text"]) == wanted
                ]
                slow.append(hits[0] if hits else "")
            assert translate([*words, "none"], source, target, generator=seeded()) == slow


def test_another_state_of_the_file_is_another_translator(table, tmp_path):
    before = table.identity()
    assert before == table.identity()
    written(tmp_path / "made.jsonl", [*LINES, {**LINES[0], "target": "de"}])
    assert table.identity() != before
    assert table.knows("fr", "de")


def test_without_its_file_any_pair_is_hoped_for_and_the_obstacle_named(tmp_path):
    table = Table(path=str(tmp_path / "none.jsonl"))
    assert table.knows("fr", "en")
    assert not table.knows("fr", "fr")
    assert table.obstacle("fr", "en") == f"there is no file {tmp_path / 'none.jsonl'}"
    with pytest.raises(BadInput, match=r"none\.jsonl: cannot be read"):
        with table.opened():
            pass


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"not json", "not a line of JSON"),
        (b"\xff\xfe", "not a line of JSON"),
        (b"[1]", "needs exactly source, target, text, translation"),
        (b'{"source": "fr", "target": "en", "text": "x"}', "needs exactly"),
        (b'{"source":"fr","target":"en","text":"x","translation":1}', "must be texts"),
        (b'{"source":"fr","target":"en","text":"x","translation":"\\ud800"}', "half a character"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(json.dumps(LINES[0]).encode() + b"\n\n" + line + b"\n")
    for use in (lambda: Table(path=str(path)).knows("fr", "en"), lambda: opened(path)):
        with pytest.raises(BadInput, match=rf"bad\.jsonl:3: .*{message}"):
            use()


def opened(path):
    with Table(path=str(path)).opened():
        pass
