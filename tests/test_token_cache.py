"""Texts are tokenised once: what is found again, what is not, and files that cannot be trusted."""

import subprocess
import sys

import pyarrow as pa
import pytest
import torch
from transformers import AutoTokenizer

import conlst
from conlst import token_cache
from conlst.arrays import Rows
from conlst.errors import ConlstWarning
from conlst.token_cache import TokenCache
from conlst.tokens import tokenise
from tests.conftest import MINI

TEXTS = ["The sea is blue.", "Ils ont voté hier soir à Paris.", "Maji", "x \ud800"[:1]]
ROWS = Rows([*"0123"], TEXTS, None, ["en", "fr", "sw", "en"])
PAIRS = Rows([*"0123"], TEXTS, TEXTS[::-1], ["en", "fr", "sw", "en"])


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CONLST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/tokens"


@pytest.fixture
def tokenizer():
    return AutoTokenizer.from_pretrained(MINI)


@pytest.fixture
def made(monkeypatch):
    """The number of texts in each call of the tokenizer."""
    calls = []

    def counted(rows, *others):
        calls.append(len(rows))
        return tokenise(rows, *others)

    monkeypatch.setattr(token_cache, "tokenise", counted)
    return calls


def equal(a, b):
    same = torch.equal(a.ids, b.ids) and torch.equal(a.offsets, b.offsets)
    if a.segments is None or b.segments is None:
        return same and a.segments is b.segments
    return same and torch.equal(a.segments, b.segments)


@pytest.mark.parametrize("rows", [ROWS, PAIRS], ids=["texts", "pairs"])
def test_the_second_time_nothing_is_tokenised_and_it_is_the_same(home, tokenizer, made, rows):
    plain = tokenise(rows, tokenizer, 24)
    assert equal(TokenCache(tokenizer, 24)(rows), plain)
    again = TokenCache(AutoTokenizer.from_pretrained(MINI), 24)(rows)
    assert made == [4]
    assert equal(again, plain)
    assert (again.ids.dtype, again.offsets.dtype) == (torch.int32, torch.int64)
    assert equal(again.take(torch.tensor([2, 0])), plain.take(torch.tensor([2, 0])))
    assert len(list(home.iterdir())) == 1


def test_how_the_tokenizer_was_last_called_does_not_count(home, tokenizer, made):
    first = TokenCache(tokenizer, 24)
    first(ROWS)
    tokenizer(["a b c"], truncation=True, max_length=5, padding="max_length")
    assert TokenCache(tokenizer, 24).fingerprint == first.fingerprint


def test_other_texts_lengths_pairs_and_tokenizers_miss(home, tokenizer, made):
    other = AutoTokenizer.from_pretrained(MINI)
    other.add_tokens(["voté"])
    merged = Rows(["0"], ["".join(TEXTS)], None, ["en"])
    parted = Rows(["0", "1"], ["ab", "c"], None, ["en"] * 2)
    shifted = Rows(["0", "1"], ["a", "bc"], None, ["en"] * 2)
    for tool, length, rows in [
        (tokenizer, 24, ROWS),
        (tokenizer, 25, ROWS),
        (other, 24, ROWS),
        (tokenizer, 24, PAIRS),
        (tokenizer, 24, merged),
        (tokenizer, 24, parted),
        (tokenizer, 24, shifted),
        (tokenizer, 24, Rows([*"01"], ["ab", "c"], ["", ""], ["en"] * 2)),
    ]:
        before = len(made)
        assert equal(TokenCache(tool, length)(rows), tokenise(rows, tool, length))
        assert len(made) == before + 1


def test_ids_and_languages_do_not_count(home, tokenizer, made):
    TokenCache(tokenizer, 24)(ROWS)
    TokenCache(tokenizer, 24)(Rows([*"abcd"], tuple(TEXTS), None, ["und"] * 4))
    assert made == [4]


def test_many_texts_are_tokenised_bit_by_bit(home, tokenizer, made, monkeypatch):
    plain = tokenise(PAIRS, tokenizer, 24)
    monkeypatch.setattr(token_cache, "AT_ONCE", 3)
    assert equal(TokenCache(tokenizer, 24)(PAIRS), plain)
    assert made == [3, 1]
    assert equal(TokenCache(tokenizer, 24)(PAIRS), plain)
    assert made == [3, 1]


def torn(path):
    path.write_bytes(path.read_bytes()[:-40])


def cut_in_the_middle(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + whole[-60:])


def no_arrow(path):
    path.write_bytes(b"cos\nsystem\n(S'echo'\ntR.")


def empty(path):
    path.write_bytes(b"")


def of_others(path):
    table(path, {"ids": pa.array([[1]] * 4, pa.large_list(pa.int32()))}, None)


def with_too_few_rows(path):
    table(path, {"ids": pa.array([[1], [2]], pa.large_list(pa.int32()))})


def with_a_hole(path):
    table(path, {"ids": pa.array([[1], None, [2], [3]], pa.large_list(pa.int32()))})


def of_another_type(path):
    table(path, {"ids": pa.array([[1.5]] * 4, pa.large_list(pa.float32()))})


def without_a_list(path):
    table(path, {"ids": pa.array([1, 2, 3, 4], pa.int32())})


def compressed(path):
    ids = pa.array([[7] * 999] * 4, pa.large_list(pa.int32()))
    table(path, {"ids": ids}, options=pa.ipc.IpcWriteOptions(compression="zstd"))


def running_backwards(path):
    offsets = pa.array([0, 3, 1, 2, 4])
    ids = pa.LargeListArray.from_arrays(offsets, pa.array([1, 2, 3, 4], pa.int32()))
    table(path, {"ids": ids})


def with_segments_of_another_shape(path):
    ids = pa.array([[1]] * 4, pa.large_list(pa.int32()))
    segments = pa.array([[0], [0, 0], [0], []], pa.large_list(pa.int8()))
    table(path, {"ids": ids, "segments": segments})


def table(path, columns, key="", options=None):
    batch = pa.RecordBatch.from_pydict(columns)
    batch = batch.replace_schema_metadata({"conlst": path.stem if key == "" else "another"})
    with pa.ipc.new_file(path, batch.schema, options=options) as writer:
        writer.write_batch(batch)


@pytest.mark.parametrize(
    "damage",
    [
        torn,
        cut_in_the_middle,
        no_arrow,
        empty,
        of_others,
        with_too_few_rows,
        with_a_hole,
        of_another_type,
        without_a_list,
        compressed,
        running_backwards,
        with_segments_of_another_shape,
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_passed_over_and_replaced(
    home, tokenizer, made, damage
):
    plain = TokenCache(tokenizer, 24)(ROWS)
    (path,) = home.iterdir()
    damage(path)
    assert equal(TokenCache(tokenizer, 24)(ROWS), plain)
    assert made == [4, 4]
    assert equal(TokenCache(tokenizer, 24)(ROWS), plain)
    assert made == [4, 4]
    assert [path] == list(home.iterdir())


def test_tokens_in_use_stay_when_their_file_is_replaced(home, tokenizer):
    plain = tokenise(ROWS, tokenizer, 24)
    TokenCache(tokenizer, 24)(ROWS)
    mapped = TokenCache(tokenizer, 24)(ROWS)
    (path,) = home.iterdir()
    path.unlink()
    assert equal(mapped, plain)


def test_writing_to_mapped_tokens_does_not_reach_the_file(home, tokenizer):
    TokenCache(tokenizer, 24)(ROWS)
    TokenCache(tokenizer, 24)(ROWS).ids.zero_()
    assert equal(TokenCache(tokenizer, 24)(ROWS), tokenise(ROWS, tokenizer, 24))


def test_a_place_that_cannot_be_written_is_told_and_does_no_harm(tmp_path, tokenizer, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONLST_CACHE", str(tmp_path / "file"))
    with pytest.warns(ConlstWarning, match="tokens cannot be kept in .*CONLST_CACHE"):
        said = TokenCache(tokenizer, 24)(ROWS)
    assert equal(said, tokenise(ROWS, tokenizer, 24))


def test_nothing_unfinished_is_left_when_writing_fails(home, tokenizer, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(token_cache.os, "replace", full)
    with pytest.warns(ConlstWarning, match="No space left"):
        TokenCache(tokenizer, 24)(ROWS)
    assert list(home.iterdir()) == []


def test_a_tokenizer_that_cannot_be_described_is_not_trusted_to_be_the_same(home, tokenizer):
    class Plain:
        pad_token_id = tokenizer.pad_token_id

        def __call__(self, *args, **how):
            return tokenizer(*args, **how)

    assert equal(TokenCache(Plain(), 24)(ROWS), tokenise(ROWS, tokenizer, 24))
    assert not home.exists()


def test_no_rows_need_no_file(home, tokenizer):
    assert len(TokenCache(tokenizer, 24)(ROWS.take([]))) == 0
    assert not home.exists()


def test_two_processes_at_once_leave_one_whole_file(home, tokenizer):
    code = (
        "from transformers import AutoTokenizer\n"
        "from conlst.token_cache import TokenCache\n"
        "from tests.test_token_cache import ROWS, MINI\n"
        "tokenizer = AutoTokenizer.from_pretrained(MINI)\n"
        "for i in range(20):\n"
        "    [path.unlink(missing_ok=True) for path in __import__('pathlib').Path("
        f"{str(home)!r}).glob('*.arrow')] if i % 3 == 0 else None\n"
        "    print(TokenCache(tokenizer, 24)(ROWS).ids.sum().item())\n"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {line for run in runs for line in run.communicate(timeout=120)[0].split()}
    plain = tokenise(ROWS, tokenizer, 24)
    assert [run.returncode for run in runs] == [0, 0]
    assert said == {str(int(plain.ids.sum()))}
    assert equal(TokenCache(tokenizer, 24)(ROWS), plain)
    assert len(list(home.iterdir())) == 1


@pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
def test_the_second_run_tokenises_no_text_at_all(home, recipe, tmp_path, made):
    short = recipe | {"contrastive": None, "self_training": None}
    short["source"]["epochs"] = 1
    first = conlst.run(short, out=tmp_path / "a")
    assert sorted(made) == [20, 20, 20, 24, 24, 48]  # three tests, two pools, the source once
    again = conlst.run(short, out=tmp_path / "b")
    assert len(made) == 6
    assert again.data["stages"][0]["languages"] == first.data["stages"][0]["languages"]
