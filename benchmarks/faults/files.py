"""Bad data files: a catalogue with the right outcome of each, and good files after random damage.

Each stands in a recipe's place for training rows, unlabelled rows or test rows, and is read as a
run reads it before it trains. It may be refused or accepted, never half understood: a refusal names
the place, the file and what is wrong; what is odd but read is said in a note.
"""

import gzip
import io
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from conlst.errors import BadInput
from conlst.recipe import load
from conlst.report.gold import check
from conlst.texts import read_texts

Slot = Literal["train", "pool", "test"]
PATHS = {
    "train": "data.source.train",
    "pool": "data.targets.sw.unlabelled",
    "test": "data.targets.sw.test",
}
TRAIN = [("1", "The team won the match", "sports"), ("2", "The vote was counted", "politics")]
TRAIN += [("3", "A late goal decided it", "sports"), ("4", "Parliament met again", "politics")]
SWAHILI = [("5", "Timu ilishinda mechi", "sports"), ("6", "Kura zilihesabiwa", "politics")]
SWAHILI += [("7", "Bunge lilikutana tena", "politics"), ("8", "Bao la dakika ya mwisho", "sports")]
GOOD = {"train": TRAIN, "pool": [(i, t, "") for i, t, _ in SWAHILI], "test": SWAHILI}


@dataclass(frozen=True)
class Bad:
    """A bad file and what is to become of it."""

    what: str
    slot: Slot
    content: bytes
    refused: tuple[str, ...] = ()
    """What the message says; nothing: the file is accepted."""
    said: tuple[str, ...] = ()
    """What the notes say of an accepted one."""
    name: str = "bad.tsv"


def tsv(rows: Any, header: str = "id\ttext\tlabel") -> str:
    return "\n".join([header, *("\t".join(row) for row in rows)]) + "\n"


def csv(rows: Any, header: str = "id,text,label") -> str:
    return "\n".join([header, *(",".join(f'"{cell}"' for cell in row) for row in rows)]) + "\n"


def jsonl(rows: Any) -> str:
    keys = ("id", "text", "label")
    return "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows)


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def _with(slot: Slot, row: int, text: str) -> list[tuple[str, str, str]]:
    """The good rows of a place, one of them with another text."""
    rows = list(GOOD[slot])
    rows[row] = (rows[row][0], text, rows[row][2])
    return rows


def _labels(*labels: str) -> list[tuple[str, str, str]]:
    return [(id, text, label) for (id, text, _), label in zip(TRAIN, labels, strict=True)]


POOL, TEST = GOOD["pool"], GOOD["test"]
PLAIN = tsv(POOL).encode()

CATALOGUE: list[Bad] = [
    # What the bytes are
    Bad("in Latin-1", "pool", tsv(_with("pool", 1, "café")).encode("latin-1"),
        ("bad.tsv", "not UTF-8", "line 3", "0xe9")),
    Bad("in UTF-16", "pool", tsv(POOL).encode("utf-16"), ("bad.tsv", "not UTF-8", "line 1")),
    Bad("in UTF-16 without its mark", "pool", tsv(POOL).encode("utf-16-le"),
        ("bad.tsv", "no column is known to hold the text")),
    Bad("with a byte order mark", "pool", b"\xef\xbb\xbf" + PLAIN),
    Bad("with CR LF", "pool", PLAIN.replace(b"\n", b"\r\n")),
    Bad("with CR alone", "pool", PLAIN.replace(b"\n", b"\r")),
    Bad("of no bytes", "pool", b"", ("bad.tsv", "empty")),
    Bad("of no bytes, JSONL", "pool", b"", ("bad.jsonl", "empty"), name="bad.jsonl"),
    Bad("of no bytes, Parquet", "pool", b"", ("bad.parquet", "cannot be read"), name="bad.parquet"),
    Bad("of zero bytes alone", "pool", b"\0" * 1000, ("bad.tsv", "no column is known")),
    Bad("with a zero byte in a text", "pool", tsv(_with("pool", 2, "a\0b")).encode(), (),
        (PATHS["pool"], "1 text(s) hold control characters", "'7'")),
    Bad("a gzip by name only", "pool", PLAIN, name="bad.tsv.gz"),
    Bad("a gzip but for its name", "pool", gzip.compress(PLAIN)),
    Bad("a gzip cut short", "pool", gzip.compress(PLAIN)[:-12],
        ("bad.tsv.gz", "cannot be read", "ended"), name="bad.tsv.gz"),
    Bad("a gzip with damage inside", "pool", gzip.compress(PLAIN)[:20] + b"\xff" * 40,
        ("bad.tsv.gz", "cannot be read"), name="bad.tsv.gz"),
    Bad("a Parquet cut short", "pool", parquet(text=["a", "b"])[:-20],
        ("bad.parquet", "cannot be read"), name="bad.parquet"),
    # Columns and rows
    Bad("with a row too long", "pool", tsv(_with("pool", 1, "a\tb")).encode(),
        ("bad.tsv", "row 1", "4 field(s)", "the header has 3")),
    Bad("with a newline in a TSV's text", "pool", tsv(_with("pool", 1, "a\nb")).encode(),
        ("bad.tsv", "row 1", "2 field(s)", "the header has 3")),
    Bad("with tabs, newlines and quotes in a CSV's text", "pool",
        csv(_with("pool", 1, 'a\tb\nc, ""d""')).encode(), name="bad.csv"),
    Bad("with a quote that is never closed", "pool",
        csv(POOL).replace('mechi"', "mechi").encode(),
        ("bad.csv", "quotes", "line 2"), name="bad.csv"),
    Bad("with semicolons", "pool", tsv(POOL).replace("\t", ";").encode(),
        ("bad.csv", "no column is known to hold the text", "id;text;label"), name="bad.csv"),
    Bad("without a header", "pool", tsv(POOL).partition("\n")[2].encode(),
        ("bad.tsv", "the first row must name the columns")),
    Bad("with a doubled column", "pool", tsv(POOL, "id\ttext\ttext").encode(),
        ("bad.tsv", "'text'", "stand twice")),
    Bad("without the text", "pool", b"id\tlabel\n5\tsports\n", ("bad.tsv", "hold the text")),
    Bad("without the label, to train on", "train", b"id\ttext\n1\tA\n",
        ("bad.tsv", "hold the label", "columns: id, text")),
    Bad("without the label, to test on", "test", b"id\ttext\n5\tA\n",
        ("bad.tsv", "hold the label", "columns: id, text")),
    Bad("JSONL with a broken line", "pool", (jsonl(POOL) + '{"id": "9", "te\n').encode(),
        ("bad.jsonl", "line 5", "not JSON"), name="bad.jsonl"),
    Bad("JSONL with a list for a row", "pool", (jsonl(POOL) + "[1, 2]\n").encode(),
        ("bad.jsonl", "row 4", "list, not a JSON object"), name="bad.jsonl"),
    Bad("JSONL with half of a character", "pool", b'{"id": "1", "text": "\\ud83d"}\n',
        ("bad.jsonl", "not UTF-8", "half of a pair"), name="bad.jsonl"),
    Bad("JSONL with an object for a text", "pool", b'{"id": 1, "text": {"sw": "a"}}\n',
        ("bad.jsonl", "row 0", "'text'", "found dict"), name="bad.jsonl"),
    Bad("JSONL that nests without end", "pool", b'{"text": ' + b"[" * 100_000,
        ("bad.jsonl", "cannot be read"), name="bad.jsonl"),
    Bad("JSONL with a number of 5000 digits", "pool", b'{"text": ' + b"9" * 5000 + b"}\n",
        ("bad.jsonl", "cannot be read"), name="bad.jsonl"),
    Bad("Parquet with lists for texts", "pool", parquet(text=[["a"], ["b"]]),
        ("bad.parquet", "'text'", "found list"), name="bad.parquet"),
    Bad("Parquet with numbers for texts", "pool", parquet(text=[1, 2]), name="bad.parquet"),
    Bad("Parquet with bytes that are no text", "pool", parquet(text=[b"\xff\xfe", b"b"]),
        ("bad.parquet", "'text'"), name="bad.parquet"),
    # Texts
    Bad("with empty and blank texts", "pool",
        tsv([("5", "", ""), ("6", " \u3000", ""), *POOL[2:]]).encode(), (),
        ("2 row(s) without text dropped: row(s) 0, 1 (counted from 0)",)),
    Bad("with blank texts only", "pool", b"id\ttext\n5\t \n6\t\n", ("bad.tsv", "no row carries")),
    Bad("with a text of a million characters", "pool",
        tsv(_with("pool", 0, "neno " * 200_000)).encode()),
    Bad("in another script than its language's", "test",
        tsv([(i, "体育比赛", label) for i, _, label in TEST]).encode(), (),
        (PATHS["test"], "mostly Cjk letters", "'sw' is usually written in Latin")),
    # Ids
    Bad("with an id twice, unlabelled", "pool", tsv([*POOL, POOL[0]]).encode(),
        ("bad.tsv", "'5'", "row(s) 0, 4", "unique")),
    Bad("with an id twice, to test on", "test", tsv([*TEST, TEST[0]]).encode(),
        ("bad.tsv", "'5'", "row(s) 0, 4", "unique")),
    Bad("with an id twice, to train on", "train", tsv([*TRAIN, TRAIN[0]]).encode()),
    Bad("with an id left out", "pool", tsv([("", "a", ""), *POOL]).encode(),
        ("bad.tsv", "1 row(s) without an id", "row(s) 0")),
    # Labels
    Bad("with an unknown label", "test", tsv([*TEST, ("9", "a", "sprots")]).encode(),
        ("bad.tsv", "row 4", "'sprots'", "did you mean 'sports'?", "allowed: politics, sports")),
    Bad("with numbers for labels, to test on", "test",
        tsv([(i, t, str(n % 2)) for n, (i, t, _) in enumerate(TEST)]).encode(),
        ("bad.tsv", "labels are the numbers 0, 1", "allowed: politics, sports", "label_names")),
    Bad("with a label by its number and by its name", "train",
        tsv(_labels("sports", "0", "1", "politics")).encode(),
        ("bad.tsv", "'0' in row 1", "'sports' in row 0", "label_names")),
    Bad("with one class only", "train", tsv(_labels(*["sports"] * 4)).encode(),
        ("bad.tsv", "two or more classes are needed", "found 'sports'")),
    Bad("with empty labels", "train", tsv(_labels(*[""] * 4)).encode(),
        ("bad.tsv", "no row has a label", "never assumed")),
    Bad("unlabelled with its labels left in", "pool", tsv(SWAHILI).encode(), (),
        ("column 'label' holds labels; they are not read",)),
    # How many, and beside others
    Bad("of ten rows", "pool", tsv([(str(n), f"neno {n}", "") for n in range(10)]).encode()),
    Bad("of one row, unlabelled", "pool", tsv(POOL[:1]).encode()),
    Bad("of one row, to train on", "train", tsv(TRAIN[:1]).encode(), ("two or more classes",)),
    Bad("of no row", "pool", b"id\ttext\tlabel\n", ("bad.tsv", "no rows")),
    Bad("with training rows to test on", "test", tsv([*TEST, ("9", *TRAIN[0][1:])]).encode(), (),
        (PATHS["test"], "1 of 5 row(s) also stand in data.source.train",)),
]  # fmt: skip


def measure(count: int, seed: int) -> dict[str, Any]:
    """Try the catalogue and `count` damaged files; tell what came of them."""
    random_, wrong, accepted = random.Random(seed), list[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        for case in CATALOGUE:
            try:
                hold(case, Path(folder))
            except Exception as error:  # whatever it is, it is a finding
                wrong.append(f"{case.what}: {error!r}"[:500])
        for _ in range(count):
            try:
                accepted += isinstance(outcome(damaged(random_), Path(folder)), list)
            except Exception as error:
                wrong.append(f"damaged: {error!r}"[:500])
    tried = len(CATALOGUE) + count
    where = {"of the catalogue": len(CATALOGUE), "damaged": count, "of which accepted": accepted}
    return {
        "asked": tried,
        "survived": tried - len(wrong),
        "where": where,
        "differing": wrong[:5],
    }


def hold(case: Bad, folder: Path) -> None:
    """Hold what becomes of a file against what should.

    Raises:
        AssertionError: it is another outcome, or another message.
    """
    found = outcome(case, folder)
    assert isinstance(found, str) == bool(case.refused), f"{case.what}: {found}"
    told = found if isinstance(found, str) else "\n".join(found)
    lacking = [part for part in (*case.refused, *case.said) if part not in told]
    assert not lacking, f"{case.what}: {lacking} not in {told!r}"
    assert not case.refused or PATHS[case.slot] in told, f"{case.what}: no place in {told!r}"


def outcome(case: Bad, folder: Path) -> str | list[str]:
    """The message of a refusal, or the notes on a file that is accepted."""
    paths = {slot: folder / f"{slot}.tsv" for slot in GOOD} | {case.slot: folder / case.name}
    for slot, rows in GOOD.items():
        (folder / f"{slot}.tsv").write_text(tsv(rows), encoding="utf-8")
    (folder / case.name).write_bytes(case.content)
    try:
        recipe = load(_recipe(paths))
        texts = read_texts(recipe)
        check(recipe.data, texts.source.classes)
    except BadInput as refusal:
        return str(refusal)
    return texts.notes


def _recipe(paths: dict[str, Path]) -> dict[str, Any]:
    file = {slot: {"path": str(path)} for slot, path in paths.items()}
    target = {"unlabelled": file["pool"], "test": file["test"]}
    data = {"source": {"train": file["train"]}, "targets": {"sw": target}}
    return {"conlst": 1, "model": {"name": "some/encoder"}, "data": data}


# Damage


def damaged(random_: random.Random) -> Bad:
    """A good file of any format in any place, with a few of its bytes lost or changed."""
    slot: Slot = random_.choice(list(PATHS))  # type: ignore[arg-type]
    name = random_.choice(list(WRITTEN))
    content = bytearray(WRITTEN[name](GOOD[slot]))
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(content) or 1)
        harm = random_.choice(["cut", "flip", "insert", "repeat"])
        if harm == "cut":
            del content[at : at + random_.randint(1, 40)]
        elif harm == "flip" and content:
            content[at] ^= 1 << random_.randrange(8)
        elif harm == "insert":
            content[at:at] = random_.choice([b"\0", b"\xff", b'"', b"\t", b"\n", b"\r", b"{", b","])
        else:
            content[at:at] = content[at : at + random_.randint(1, 40)]
    return Bad("damaged", slot, bytes(content), name=name)


WRITTEN: dict[str, Callable[[Any], bytes]] = {
    "bad.tsv": lambda rows: tsv(rows).encode(),
    "bad.csv": lambda rows: csv(rows).encode(),
    "bad.jsonl": lambda rows: jsonl(rows).encode(),
    "bad.tsv.gz": lambda rows: gzip.compress(tsv(rows).encode()),
    "bad.parquet": lambda rows: parquet(
        **dict(zip(("id", "text", "label"), map(list, zip(*rows, strict=True)), strict=True))
    ),
}
