"""Reading rows: formats, columns, labels, ids, the hub; and what is said of what cannot be read.

The sentences are from SIB-200 (Adelani et al. 2024; text of FLORES-200, CC BY-SA 4.0).
"""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from conlst.data import content_hash, guess_columns, header, read_gold, read_labelled, read_rows
from conlst.errors import BadInput
from conlst.recipe import Columns, File

NLI = ["entailment", "neutral", "contradiction"]
SWAHILI = (
    "Uturuki imezungukwa na maziwa katika pande tatu: Bahari ya Aegea upande wa magharibi, Bahari "
    "Nyeusi upande wa kaskazini na Bahari ya Mediterania upande wa kusini."
)
QUOTED = (
    '"""She’s very cute and sings quite well, too,"" he said according to a transcript of the '
    'news conference."'
)
WHERE = "data.targets.sw.unlabelled"

Write = Callable[..., File]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file into the test's folder, and return it as a recipe names it."""

    def write(name: str, content: str | bytes, **fields: Any) -> File:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        return File(path=str(tmp_path / name), **fields)

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Write:
    def parquet(columns: dict[str, Any], **fields: Any) -> File:
        pq.write_table(pa.table(columns), tmp_path / "data.parquet")
        return File(path=str(tmp_path / "data.parquet"), **fields)

    return parquet


def texts(file: File) -> list[str]:
    return list(read_rows(file, "sw", where=WHERE)[0].texts)


def refused(file: File, *parts: str) -> str:
    """The message with which a pool is refused; it says where, and all of `parts`."""
    return _says(lambda: read_rows(file, "sw", where=WHERE), WHERE, *parts)


def train_refused(file: File, *parts: str, classes: list[str] | None = None) -> str:
    read = lambda: read_labelled(file, "en", classes=classes, where="data.source.train")  # noqa: E731
    return _says(read, "data.source.train", *parts)


def gold_refused(file: File, *parts: str, classes: list[str] | None = None) -> str:
    read = lambda: read_gold(file, classes=classes or NLI, where="data.targets.sw.test")  # noqa: E731
    return _says(read, "data.targets.sw.test", *parts)


def _says(read: Callable[[], Any], *parts: str) -> str:
    with pytest.raises(BadInput) as refusal:
        read()
    for part in parts:
        assert part in str(refusal.value)
    return str(refusal.value)


# Formats


class TestFormats:
    def test_every_format_reads_the_same_rows(self, write: Write, parquet: Write) -> None:
        rows = [("431", SWAHILI), ("403", "Wamisri wa kale, 日本語, \u2028 😀")]
        lines = [json.dumps({"id": i, "text": t}) for i, t in rows]
        csv = "id,text\n" + "".join(f'{i},"{t}"\n' for i, t in rows)
        tsv = "id\ttext\n" + "".join(f"{i}\t{t}\n" for i, t in rows)
        files = [
            write("a.csv", csv),
            write("a.tsv", tsv),
            write("a.txt", tsv),
            write("A.TSV", tsv),
            write("a.jsonl", "\n".join(lines)),
            write("a.ndjson", "\n".join(lines) + "\n"),
            write("a.json", "[" + ",\n".join(lines) + "]"),
            write("a.csv.gz", gzip.compress(csv.encode())),
            write("a.tsv.gz", gzip.compress(tsv.encode())),
            write("a.jsonl.gz", gzip.compress("\n".join(lines).encode())),
            write("a.data", csv, format="csv"),
            write("b.data", gzip.compress(tsv.encode()), format="tsv"),
            write(
                "two-parts.tsv.gz",
                gzip.compress(tsv[:20].encode()) + gzip.compress(tsv[20:].encode()),
            ),
            parquet({"id": [i for i, _ in rows], "text": [t for _, t in rows]}),
        ]
        for file in files:
            read, _ = read_rows(file, "sw", where=WHERE)
            assert list(zip(read.ids, read.texts, strict=True)) == rows, file.path
            assert (read.pairs, list(read.languages)) == (None, ["sw", "sw"])

    def test_packed_parquet(self, parquet: Write, write: Write) -> None:
        raw = Path(str(parquet({"text": ["a", "b"]}).path)).read_bytes()
        assert texts(write("a.parquet.gz", gzip.compress(raw))) == ["a", "b"]

    def test_a_quote_in_a_tsv_is_a_character(self, write: Write) -> None:
        file = write("a.tsv", f'text\tlabel\n{QUOTED}\ta\n"Open\tb\nmid "quote"\ta\n')
        assert texts(file) == [QUOTED, '"Open', 'mid "quote"']

    def test_a_csv_field_may_hold_newlines_commas_and_quotes(self, write: Write) -> None:
        file = write("a.csv", 'text,label\r\n"one\r\ntwo, ""three""",a\r\nfour,b\r\n')
        assert texts(file) == ['one\r\ntwo, "three"', "four"]

    def test_a_csv_header_may_hold_newlines(self, write: Write) -> None:
        file = write("a.csv", '"the\nid",text\n1,a\n', columns=Columns(id="the\nid"))
        assert read_rows(file, "sw", where=WHERE)[0].ids == ["1"]

    @pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl"])
    def test_byte_order_mark_and_crlf(self, write: Write, name: str) -> None:
        content = (
            '{"text": "a"}\r\n{"text": "b"}\r\n' if name == "a.jsonl" else "text\r\na\r\nb\r\n"
        )
        file = write(name, b"\xef\xbb\xbf" + content.encode())
        assert header(str(file.path)) == ["text"]
        assert texts(file) == ["a", "b"]

    def test_words_that_other_readers_take_for_nothing_or_for_dates(self, write: Write) -> None:
        words = ["NA", "null", "None", "nan", "007", "1.0", "2024-01-01", "true"]
        assert texts(write("a.tsv", "\n".join(["text", *words]))) == words
        lines = [json.dumps({"text": word}) for word in words]
        assert texts(write("a.jsonl", "\n".join(lines))) == words

    def test_a_very_long_text(self, write: Write) -> None:
        long = "neno " * 500_000
        assert texts(write("a.tsv", f"text\tlabel\n{long}\ta\n")) == [long]
        assert texts(write("a.jsonl", json.dumps({"text": long}))) == [long]

    def test_json_numbers_nested_columns_and_keys_left_out(self, write: Write) -> None:
        lines = [
            '{"text": 7, "id": 1}',
            '{"id": "b", "text": 1.0}',
            '{"text": "c", "id": 2.0, "x": [1]}',
        ]
        rows, _ = read_rows(write("a.jsonl", "\n".join(lines)), "sw", where=WHERE)
        assert (rows.texts, rows.ids) == (["7", "1", "c"], ["1", "b", "2"])

    def test_parquet_types(self, parquet: Write) -> None:
        columns = {
            "text": pa.array(["a", "b"]).dictionary_encode(),
            "id": pa.array([1.0, 2.0]),
            "tokens": [["a"], ["b"]],
        }
        rows, _ = read_rows(parquet(columns), "sw", where=WHERE)
        assert (rows.texts, rows.ids) == (["a", "b"], ["1", "2"])

    def test_header(self, write: Write, parquet: Write) -> None:
        assert header(str(write("a.csv", '"a,b",c\n').path)) == ["a,b", "c"]
        assert header(str(write("a.x", "a\tb\n").path), "tsv") == ["a", "b"]
        assert header(str(write("a.jsonl", '{"a": 1}\n{"a": 1, "b": 2}\n').path)) == ["a", "b"]
        assert header(str(parquet({"a": [1], "b": ["x"]}).path)) == ["a", "b"]


class TestFilesThatCannotBeRead:
    @pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
    def test_not_utf8(self, write: Write, name: str) -> None:
        content = "text\n" + "sawa\n" * 5000 + "café\n"
        refused(write(name, content.encode("latin-1")), name, "UTF-8", "line 5002", "0xe9")

    def test_not_utf8_in_json_or_parquet(self, write: Write, parquet: Write) -> None:
        file = write("a.jsonl", '{"text": "a"}\n{"text": "é"}'.encode("latin-1"))
        refused(file, "a.jsonl", "UTF-8", "line 2")
        refused(write("b.jsonl", '{"text": "\\ud83d"}\n'), "b.jsonl", "UTF-8", "half of a pair")
        broken = pa.array([b"a", b"\xe9"]).view(pa.string())
        refused(parquet({"text": broken}), "data.parquet", "UTF8")

    def test_utf16(self, write: Write) -> None:
        refused(write("a.tsv", "text\na\n".encode("utf-16")), "a.tsv", "UTF-8", "line 1", "0xff")

    @pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.tsv.gz", "a.parquet"])
    def test_empty(self, write: Write, name: str) -> None:
        refused(write(name, b""), name)

    @pytest.mark.parametrize("content", ["text\tlabel", "text\tlabel\n", "text\tlabel\r\n"])
    def test_header_only(self, write: Write, content: str) -> None:
        refused(write("a.tsv", content), "a.tsv", "no rows")
        refused(write("a.csv", content.replace("\t", ",")), "a.csv", "no rows")

    def test_no_rows_in_json_or_parquet(self, write: Write, parquet: Write) -> None:
        refused(write("a.json", "[]"), "a.json", "empty")
        refused(parquet({"text": pa.array([], pa.string())}), "data.parquet", "no rows")

    def test_a_blank_first_line(self, write: Write) -> None:
        refused(write("a.tsv", "\ntext\na\n"), "first line")
        refused(write("a.csv", "\ntext\na\n"), "first line")

    def test_ragged(self, write: Write) -> None:
        file = write("a.tsv", "id\ttext\n1\ta\n2\tb\tc\n3\n")
        refused(file, "a.tsv", "row 1", "3 field(s)", "the header has 2", "2 such", "'2\\tb\\tc'")
        file = write("a.csv", 'id,text\n1,"a\n\nb"\n2,b,c\n')
        refused(file, "a.csv", "row 1", "3 field(s)")

    def test_a_quote_that_is_never_closed(self, write: Write) -> None:
        file = write("a.csv", 'id,text\n1,"a\nb"\n2,"b\n3,c\n4,d\n')
        refused(file, "a.csv", "line 4", "quotes")
        assert texts(write("b.csv", 'id,text\n1,a 5" disk\n2,b\n')) == ['a 5" disk', "b"]

    def test_duplicate_columns(self, write: Write, parquet: Write) -> None:
        refused(write("a.tsv", "text\tid\ttext\na\t1\tb\n"), "a.tsv", "'text'", "twice")
        refused(write("a.jsonl", '{"text": "a", "text": "b"}'), "a.jsonl", "'text'", "twice")
        table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
        path = Path(str(parquet({"x": ["a"]}).path))
        pq.write_table(table, path)
        refused(File(path=str(path)), "data.parquet", "'text'", "twice")

    def test_missing(self, write: Write, tmp_path: Path) -> None:
        write("dev.sw.tsv", "text\na\n")
        message = refused(File(path=str(tmp_path / "dev.sv.tsv")), "dev.sv.tsv", "dev.sw.tsv")
        assert "no file" in message
        refused(File(path=str(tmp_path / "deb" / "dev.sw.tsv")), "no folder", "deb")
        refused(File(path=str(tmp_path)), "is a folder", "holds dev.sw.tsv")

    def test_unknown_suffix(self, write: Write) -> None:
        refused(write("a.xlsx", "x"), "a.xlsx", ".csv", ".parquet", ".gz", "set format")

    def test_broken_archives(self, write: Write) -> None:
        packed = gzip.compress(("text\n" + SWAHILI).encode())
        refused(write("a.tsv.gz", packed[:-9]), "a.tsv.gz", "cannot be read")
        refused(write("a.parquet", b"PAR1 not really"), "a.parquet", "cannot be read")

    def test_broken_json(self, write: Write) -> None:
        refused(write("a.jsonl", '{"text": "a"}\n{"text": \n'), "a.jsonl", "line 2", "not JSON")
        refused(write("a.jsonl", '{"text": "a"}\n["b"]\n'), "row 1", "list")
        refused(write("a.json", '[{"text": "a"}, 3]'), "row 1", "int")
        refused(
            write("a.jsonl", '{"text": "a"}\n{"text": {"en": "b"}}\n'), "row 1", "'text'", "dict"
        )

    def test_nested_text(self, parquet: Write) -> None:
        refused(parquet({"text": [{"en": "a", "sw": "b"}]}), "'text'", "struct")


# Columns


class TestColumns:
    @pytest.mark.parametrize(
        ("names", "text", "pair", "label", "id", "group"),
        [
            ("id text label", "text", None, "label", "id", None),
            ("index_id category text", "text", None, "category", "index_id", None),
            ("premise hypothesis label", "premise", "hypothesis", "label", None, None),
            (
                "gold_label sentence1 sentence2 pairID genre",
                *("sentence1", "sentence2", "gold_label", "pairID", "genre"),
            ),
            ("QUESTION1 Question2 Class", "QUESTION1", "Question2", "Class", None, None),
            ("uid utterance intent domain", "utterance", None, "intent", "uid", "domain"),
            ("text text_pair target guid", "text", "text_pair", "target", "guid", None),
            ("review content index", "content", None, None, "index", None),
            ("text Label label", "text", None, "label", None, None),
        ],
    )
    def test_guess(self, names: str, text: str, pair: Any, label: Any, id: Any, group: Any) -> None:
        found = guess_columns(names.split(), Columns(), where="x")
        assert found == Columns(id=id, text=text, pair=pair, label=label, group=group)

    def test_what_is_given_is_kept(self) -> None:
        names = ["id", "premise", "hypothesis", "text", "label"]
        assert guess_columns(names, Columns(text="premise"), where="x").pair == "hypothesis"
        assert guess_columns(names, Columns(pair="hypothesis"), where="x").text == "premise"
        found = guess_columns(names, Columns(text="hypothesis"), where="x")
        assert (found.text, found.pair) == ("hypothesis", None)
        found = guess_columns(names, Columns(id="premise", label="text"), where="x", needed=())
        assert (found.id, found.text, found.label) == ("premise", None, "text")

    def test_no_text(self, write: Write) -> None:
        refused(write("a.tsv", "id\tsatz\n1\ta\n"), "a.tsv", "id, satz", "columns.text")
        refused(write("b.tsv", f"{SWAHILI}\tgeography\n{SWAHILI}\ttravel\n"), "name the columns")

    def test_unknown_column(self, write: Write) -> None:
        file = write("a.tsv", "id\ttext\n1\ta\n", columns=Columns(text="txt"))
        refused(file, "a.tsv", "columns.text", "'txt'", "did you mean 'text'?", "allowed: id, text")

    def test_the_guess_is_told(self, write: Write) -> None:
        file = write("a.tsv", "premise\thypothesis\tlabel\na\tb\tneutral\nc\td\tentailment\n")
        notes = read_labelled(file, "en", classes=None, where="data.source.train").notes
        told = "read premise + hypothesis as the text pair, label as the label"
        assert notes == [f"data.source.train: a.tsv: {told}"]
        given = Columns(text="premise", pair="hypothesis", label="label", id="label")
        file = File(path=file.path, columns=given)
        assert read_labelled(file, "en", classes=None, where="data.source.train").notes == []


# Rows


class TestRows:
    def test_pairs(self, write: Write) -> None:
        rows, _ = read_rows(write("a.tsv", "sentence1\tsentence2\na\tb\nc\td\n"), "sw", where=WHERE)
        assert (rows.texts, rows.pairs) == (["a", "c"], ["b", "d"])

    def test_labels_are_not_read(self, write: Write, parquet: Write) -> None:
        # A label that could not be read shows that nothing tried to: here a struct.
        file = parquet({"text": ["a"], "label": [{"is": "gold"}]})
        rows, notes = read_rows(file, "sw", where=WHERE)
        assert rows.texts == ["a"]
        assert any("'label' holds labels; they are not read" in note for note in notes)
        read_rows(write("a.jsonl", '{"text": "a", "label": {"is": "gold"}}'), "sw", where=WHERE)

    @pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "parquet"])
    def test_rows_without_text(self, write: Write, parquet: Write, suffix: str) -> None:
        found = ["a", "", " \u3000\u00a0", "d", None, "f"]
        if suffix == "parquet":
            file = parquet({"text": found})
        elif suffix == "jsonl":
            file = write("a.jsonl", "\n".join(json.dumps({"text": text}) for text in found))
        else:
            file = write(f"a.{suffix}", "\n".join(["text", *(text or "" for text in found)]))
        rows, notes = read_rows(file, "sw", where=WHERE)
        # The others keep the numbers that they have in the file: parallel files stay parallel.
        assert (rows.ids, rows.texts) == (["0", "3", "5"], ["a", "d", "f"])
        assert any(
            "3 row(s) without text dropped: row(s) 1, 2, 4 (counted" in note for note in notes
        )

    def test_only_the_first_dropped_rows_are_listed(self, write: Write) -> None:
        _, notes = read_rows(write("a.tsv", "text\na\n" + "\n" * 9), "sw", where=WHERE)
        assert "9 row(s) without text dropped: row(s) 1, 2, 3, 4, 5, ..." in notes[-1]

    def test_blank_lines_count_as_rows(self, write: Write) -> None:
        for name, content in (
            ("a.tsv", "text\tlabel\na\tx\n\nb\tx\n\n"),
            ("a.csv", "text,label\na,x\n\nb,x\n\n"),
            ("a.jsonl", '{"text": "a"}\n\n{"text": "b"}\n \n'),
        ):
            rows, _ = read_rows(write(name, content), "sw", where=WHERE)
            assert (rows.ids, rows.texts) == (["0", "2"], ["a", "b"])

    def test_a_pair_needs_both_texts(self, write: Write) -> None:
        rows, notes = read_rows(write("a.tsv", "text1\ttext2\na\t \nb\tc\n"), "sw", where=WHERE)
        assert (rows.ids, rows.pairs) == (["1"], ["c"])
        assert "1 row(s) without text" in notes[-1]

    def test_braces_in_a_name(self, write: Write) -> None:
        _, notes = read_rows(write("{a}.tsv", "text\na\n\n"), "sw", where=WHERE)
        assert f"{WHERE}: {{a}}.tsv: 1 row(s) without text" in notes[-1]

    def test_no_text_at_all(self, write: Write) -> None:
        refused(write("a.tsv", "id\ttext\n1\t\n2\t \n"), "a.tsv", "no row carries text")

    def test_ids_that_stand_twice(self, write: Write) -> None:
        file = write("a.tsv", "id\ttext\tlabel\n7\ta\tneutral\n8\tb\tneutral\n7\tc\tentailment\n")
        refused(file, "a.tsv", "'7'", "row(s) 0, 2", "unique")
        gold_refused(file, "a.tsv", "'7'", "row(s) 0, 2", "unique")
        assert list(read_labelled(file, "en", classes=None, where="x").rows.ids) == ["7", "8", "7"]

    def test_ids_that_are_missing(self, write: Write) -> None:
        refused(
            write("a.tsv", "id\ttext\n7\ta\n\tb\n"), "a.tsv", "1 row(s) without an id", "row(s) 1"
        )


# Labels


class TestLabels:
    def test_classes_are_sorted(self, write: Write) -> None:
        file = write("a.tsv", "text\tlabel\na\t10\nb\t9\nc\t 10 \n")
        read = read_labelled(file, "en", classes=None, where="x")
        assert (read.classes, read.label.tolist()) == (("9", "10"), [1, 0, 1])
        read = read_labelled(
            write("b.tsv", "text\tlabel\na\tb\nb\tB\nc\ta\n"), "en", classes=None, where="x"
        )
        assert (read.classes, read.label.tolist()) == (("B", "a", "b"), [2, 0, 1])

    def test_classes_in_the_order_given(self, write: Write) -> None:
        file = write("a.tsv", "text\tlabel\na\tneutral\nb\tentailment\nc\tcontradiction\n")
        read = read_labelled(file, "en", classes=NLI, where="x")
        assert (read.classes, read.label.tolist()) == (tuple(NLI), [1, 0, 2])
        assert read.label.dtype == torch.int64

    def test_renamed(self, write: Write) -> None:
        names = {"contradictory": "contradiction"}  # as MultiNLI's translations in XNLI-MT have it
        content = "premise\thypo\tlabel\na\tb\tneutral\nc\td\tcontradictory\n"
        file = write("a.tsv", content, label_names=names, columns=Columns(pair="hypo"))
        read = read_labelled(file, "en", classes=None, where="x")
        assert (read.classes, read.label.tolist()) == (("contradiction", "neutral"), [1, 0])

    @pytest.mark.parametrize("numbers", [[0, 1, 1], [0.0, 1.0, 1.0], ["0", "1.0", "1"]])
    def test_numbers(self, parquet: Write, write: Write, numbers: list[Any]) -> None:
        lines = [json.dumps({"text": "a", "label": number}) for number in numbers]
        for file in (
            parquet({"text": list("abc"), "label": numbers}),
            write("a.jsonl", "\n".join(lines)),
        ):
            read = read_labelled(file, "en", classes=None, where="x")
            assert (read.classes, read.label.tolist()) == (("0", "1"), [0, 1, 1])

    def test_truth_values(self, parquet: Write, write: Write) -> None:
        lines = '{"text": "a", "label": true}\n{"text": "b", "label": false}\n'
        for file in (
            parquet({"text": ["a", "b"], "label": [True, False]}),
            write("a.jsonl", lines),
        ):
            assert read_labelled(file, "en", classes=None, where="x").classes == ("false", "true")

    def test_unknown(self, write: Write) -> None:
        file = write("a.tsv", "text\tlabel\na\tneutral\nb\tnuetral\nc\tentailment\n")
        said = (
            "a.tsv",
            "row 1",
            "'nuetral'",
            "did you mean 'neutral'?",
            "allowed: entailment, neutral",
        )
        train_refused(file, *said, "label_names", classes=NLI)
        gold_refused(file, *said)

    def test_numbers_are_never_taken_for_names(self, write: Write) -> None:
        content = "text\tlabel\na\t0\nb\t1\nc\t2\n"
        said = ("a.tsv", "0, 1, 2", '{"0": "...", "1": "...", "2": "..."}', "label_names", NLI[2])
        train_refused(write("a.tsv", content), *said, classes=NLI)
        gold_refused(write("a.tsv", content), *said)
        file = write("a.tsv", content, label_names=dict(zip("012", NLI, strict=True)))
        assert read_gold(file, classes=NLI, where="x").labels.tolist() == [0, 1, 2]

    def test_rows_without_a_label_are_dropped(self, write: Write, parquet: Write) -> None:
        file = write("a.tsv", "text\tlabel\na\t-\nb\tneutral\nc\t\nd\tentailment\n")
        read = read_labelled(file, "en", classes=None, where="x")
        assert (read.rows.ids, read.label.tolist()) == (["1", "3"], [1, 0])
        assert "2 row(s) without a label dropped" in read.notes[-1]
        assert "row(s) 0, 2 (counted from 0)" in read.notes[-1]
        file = parquet({"text": list("abcd"), "label": [-1.0, 1.0, float("nan"), 0.0]})
        assert list(read_labelled(file, "en", classes=None, where="x").rows.texts) == ["b", "d"]

    def test_minus_one_may_be_a_class(self, write: Write) -> None:
        file = write("a.tsv", "text\tlabel\na\t-1\nb\t0\nc\t1\n")
        read = read_labelled(file, "en", classes=["-1", "0", "1"], where="x")
        assert read.label.tolist() == [0, 1, 2]
        read = read_labelled(file, "en", classes=None, where="x")
        assert read.classes == ("0", "1")
        assert "to make '-1' a class" in read.notes[-1]

    def test_no_labels(self, write: Write) -> None:
        bare = write("bare.tsv", "id\ttext\n1\ta\n")
        train_refused(bare, "bare.tsv", "label", "columns: id, text")
        gold_refused(bare, "bare.tsv", "label", "columns: id, text")
        stripped = write("stripped.tsv", "id\ttext\tlabel\n1\ta\t\n2\tb\t-\n")
        train_refused(stripped, "stripped.tsv", "no row has a label")
        gold_refused(stripped, "stripped.tsv", "no row has a label", "never assumed")

    def test_empty_class(self, write: Write) -> None:
        file = write("a.tsv", "text\tlabel\na\tneutral\nb\tentailment\n\tcontradiction\n")
        train_refused(file, "a.tsv", "empty class", "'contradiction'", classes=NLI)
        read = read_labelled(file, "en", classes=NLI, where="x", every_class=False)
        assert read.label.tolist() == [1, 0]

    def test_fewer_than_two_classes(self, write: Write) -> None:
        file = write("a.tsv", "text\tlabel\na\tneutral\nb\tneutral\n")
        train_refused(file, "a.tsv", "two or more classes", "'neutral'")


class TestGold:
    def test_groups(self, write: Write) -> None:
        content = "id\tlabel\tgenre\n5\tneutral\tfiction\n4\tentailment\t\n"
        gold = read_gold(write("gold.tsv", content), classes=NLI, where="x")
        assert (gold.ids, gold.labels.tolist(), gold.groups) == (
            ["5", "4"],
            [1, 0],
            ["fiction", ""],
        )

    def test_ids_agree_with_the_texts(self, write: Write) -> None:
        file = write("a.tsv", "text\tlabel\na\tneutral\n\tneutral\nc\tentailment\n")
        assert read_gold(file, classes=NLI, where="x").ids == ["0", "1", "2"]
        assert read_rows(file, "sw", where=WHERE)[0].ids == ["0", "2"]

    def test_one_label_everywhere_is_told(self, write: Write) -> None:
        file = write(
            "a.tsv", "id\tlabel\n1\tneutral\n2\tneutral\n"
        )  # as XTREME's reader fills them in
        assert (
            "every row is labelled 'neutral'" in read_gold(file, classes=NLI, where="x").notes[-1]
        )


# The hub


class TestHub:
    @pytest.fixture
    def xnli(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """`facebook/xnli` as the hub holds it; what it was asked for is listed."""
        import datasets

        asked: list[Any] = []

        def load_dataset(name: str, config: str | None, *, split: str) -> Any:
            asked.append((name, config, split))
            columns = {
                "premise": ["a", "b", "c", "d"],
                "hypothesis": ["e", "f", "g", "h"],
                "label": [1, 0, -1, 2],
            }
            text, label = datasets.Value("string"), datasets.ClassLabel(names=NLI)
            features = datasets.Features({"premise": text, "hypothesis": text, "label": label})
            return datasets.Dataset.from_dict(columns, features=features)

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return asked

    def test_xnli(self, xnli: list[Any]) -> None:
        file = File(hub="facebook/xnli", config="sw", split="test")
        rows, notes = read_rows(file, "sw", where=WHERE)
        assert xnli == [("facebook/xnli", "sw", "test")]
        assert (rows.ids, rows.pairs) == (["0", "1", "2", "3"], ["e", "f", "g", "h"])
        assert f"{WHERE}: facebook/xnli/sw/test: read premise + hypothesis" in notes[0]
        gold = read_gold(file, classes=NLI[::-1], where="x")
        assert (gold.ids, gold.labels.tolist()) == (["0", "1", "3"], [1, 2, 0])
        train = read_labelled(file, "sw", classes=None, where="x")
        assert [train.classes[label] for label in train.label] == ["neutral", NLI[0], NLI[2]]
        assert re.fullmatch(r"facebook/xnli/sw/test/[0-9a-f]+", content_hash(file))

    def test_label_names_apply_to_named_classes(self, xnli: list[Any]) -> None:
        names = {"neutral": "not_entailment", "contradiction": "not_entailment"}
        file = File(hub="facebook/xnli", config="sw", split="test", label_names=names)
        read = read_labelled(file, "sw", classes=["not_entailment", "entailment"], where="x")
        assert read.label.tolist() == [0, 1, 0]

    def test_a_folder_of_parquet_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import datasets

        features = datasets.Features(
            {
                "pairID": datasets.Value("string"),
                "premise": datasets.Value("string"),
                "hypothesis": datasets.Value("string"),
                "genre": datasets.Value("string"),
                "label": datasets.ClassLabel(names=NLI),
            }
        )
        rows = {
            "premise": ["a", "b"],
            "hypothesis": ["c", "d"],
            "genre": ["x", "y"],
            "label": [2, 0],
        }
        multi_nli = datasets.Dataset.from_dict(rows | {"pairID": ["7n", "8e"]}, features=features)
        (tmp_path / "hub").mkdir()
        multi_nli.to_parquet(tmp_path / "hub" / "train-00000-of-00001.parquet")
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        file = File(hub=str(tmp_path / "hub"), split="train")
        read = read_labelled(file, "en", classes=NLI, where="x", every_class=False)
        assert (read.rows.ids, read.rows.pairs, read.label.tolist()) == (
            ["7n", "8e"],
            ["c", "d"],
            [2, 0],
        )
        assert read_gold(file, classes=NLI, where="x").groups == ["x", "y"]
        wrong = File(hub=str(tmp_path / "hub"), split="tran")
        refused(wrong, "load_dataset(", "split='tran'", "train")

    def test_numbers_without_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        bare = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: bare)
        train_refused(File(hub="a/b", split="train"), "a/b/train", "label_names", classes=NLI)

    def test_all_languages_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        columns = {"premise": [{"en": "a", "sw": "b"}], "hypothesis": [{"en": "a", "sw": "b"}]}
        everything = datasets.Dataset.from_dict(columns)
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: everything)
        refused(File(hub="facebook/xnli", config="all_languages", split="test"), "struct")

    def test_out_of_reach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        def load_dataset(*_: Any, **__: Any) -> None:
            raise ConnectionError("Couldn't reach 'facebook/xnli' on the Hub")

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        file = File(hub="facebook/xnli", config="sw", split="test")
        tried = "load_dataset('facebook/xnli', 'sw', split='test')"
        refused(file, "facebook/xnli", tried, "ConnectionError", "Couldn't reach")
        _says(lambda: content_hash(file), tried)

    def test_offline(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        import datasets
        import huggingface_hub.constants

        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
        refused(File(hub="no-such/thing", split="train"), "no-such/thing", "load_dataset(")


def test_content_hash(write: Write, tmp_path: Path) -> None:
    one, same, other = (
        write("a.tsv", "text\na\n"),
        write("b.tsv", "text\na\n"),
        write("c.tsv", "text\n"),
    )
    assert content_hash(one) == content_hash(same) != content_hash(other)
    assert re.fullmatch("[0-9a-f]{64}", content_hash(one))
    _says(lambda: content_hash(File(path=str(tmp_path / "d.tsv"))), "no file", "a.tsv")
