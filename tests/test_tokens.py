import pytest
import torch
from transformers import AutoTokenizer

from conlst.arrays import Rows
from conlst.tokens import (
    EndlessBatches,
    budget_batches,
    even_batches,
    joined,
    length_batches,
    pad,
    tokenise,
)
from tests.conftest import MINI

TEXTS = ["The sea is blue.", "Ils ont voté hier soir à Paris.", "Maji"]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(MINI)


def rows(texts=TEXTS, pairs=None):
    return Rows([str(i) for i in range(len(texts))], texts, pairs, ["en"] * len(texts))


def seeded(number=0):
    return torch.Generator().manual_seed(number)


def test_tokens_are_those_of_the_tokenizer_one_by_one(tokenizer):
    tokens = tokenise(rows(pairs=TEXTS[::-1]), tokenizer, 64)
    for i, (a, b) in enumerate(zip(TEXTS, TEXTS[::-1], strict=True)):
        alone = tokenizer(a, b)
        span = slice(int(tokens.offsets[i]), int(tokens.offsets[i + 1]))
        assert tokens.ids[span].tolist() == alone["input_ids"]
        assert tokens.segments[span].tolist() == alone["token_type_ids"]


def test_long_texts_are_cut(tokenizer):
    tokens = tokenise(rows(["word " * 500, "short"]), tokenizer, 16)
    assert tokens.lengths.tolist()[0] == 16


def test_a_padded_batch_equals_the_tokenizers_own(tokenizer):
    tokens = tokenise(rows(), tokenizer, 64)
    order = torch.tensor([2, 0, 1])
    batch = pad(tokens, order, tokenizer)
    theirs = tokenizer([TEXTS[i] for i in order], padding=True, return_tensors="pt")
    assert torch.equal(batch.ids_BT, theirs["input_ids"])
    assert torch.equal(batch.attention_BT, theirs["attention_mask"])
    assert torch.equal(batch.segments_BT, theirs["token_type_ids"])
    special = torch.isin(
        batch.ids_BT, torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id])
    )
    assert torch.equal(batch.special_BT, special | (batch.attention_BT == 0))


def test_joined_tables_hold_the_rows_of_both(tokenizer):
    parts = [tokenise(rows(TEXTS[:2]), tokenizer, 64), tokenise(rows(TEXTS[2:]), tokenizer, 64)]
    whole, both = tokenise(rows(), tokenizer, 64), joined(parts)
    assert torch.equal(both.ids, whole.ids)
    assert torch.equal(both.offsets, whole.offsets)


def test_taken_rows_are_those_rows(tokenizer):
    tokens = tokenise(rows(), tokenizer, 64)
    taken = tokens.take(torch.tensor([2, 0, 2]))
    for place, row in enumerate([2, 0, 2]):
        a = taken.ids[taken.offsets[place] : taken.offsets[place + 1]]
        assert torch.equal(a, tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]])


def test_an_epoch_holds_every_row_once_with_little_padding():
    lengths = torch.randint(5, 120, (1000,), generator=seeded())
    batches = length_batches(lengths, 32, generator=seeded())
    assert torch.cat(batches).sort().values.tolist() == list(range(1000))
    assert max(map(len, batches)) == 32
    computed = sum(len(b) * int(lengths[b].max()) for b in batches)
    assert 1 - int(lengths.sum()) / computed < 0.05


def test_epochs_differ_and_a_seed_repeats_them():
    lengths, g = torch.randint(5, 120, (200,), generator=seeded()), seeded()
    first, second = (torch.cat(length_batches(lengths, 8, generator=g)) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, torch.cat(length_batches(lengths, 8, generator=seeded())))


def test_an_endless_stream_goes_through_all_rows_before_it_repeats():
    stream = EndlessBatches(torch.arange(1, 11), 4, generator=seeded())
    seen = torch.cat([next(stream) for _ in range(3)])
    assert seen.sort().values.tolist() == list(range(10))
    assert len(next(stream)) > 0


def test_a_budget_is_kept_and_a_row_beyond_it_goes_alone():
    lengths = torch.tensor([3, 50, 7, 7, 2, 9])
    batches = budget_batches(lengths, 20)
    assert torch.cat(batches).sort().values.tolist() == list(range(6))
    assert [lengths[b].tolist() for b in batches] == [[50], [9, 7], [7, 3], [2]]


@pytest.mark.parametrize("budget", [1, 10, 64, 10_000])
def test_even_batches_hold_like_many_tokens_and_every_row_once(budget):
    lengths = torch.randint(3, 30, (57,), generator=seeded())
    batches = even_batches(lengths, budget)
    assert sorted(torch.cat(batches).tolist()) == list(range(57))
    sums = [int(lengths[batch].sum()) for batch in batches]
    assert all(total < budget + 30 for total in sums)
    assert len(batches) == min(57, len(batches))
    if budget > 60:
        assert max(sums) - min(sums) <= 60
    assert lengths[batches[0]].max() == lengths.max()
    assert even_batches(lengths[:0], budget) == []
