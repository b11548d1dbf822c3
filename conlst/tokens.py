"""Token ids without padding, and the batches made of them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_to
from transformers import PreTrainedTokenizerBase

from conlst.arrays import Rows, TokenBatch, Tokens


def tokenise(rows: Rows, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Tokens:
    """Texts (or pairs) to ids, cut to `max_length`; of a pair the longer text is cut first."""
    if len(rows) == 0:
        return Tokens(torch.zeros(0, dtype=torch.int32), None, torch.zeros(1, dtype=torch.int64))
    encoded = tokenizer(
        list(rows.texts),
        None if rows.pairs is None else list(rows.pairs),
        truncation=True,
        max_length=max_length,
        return_attention_mask=False,
    )
    ids: list[list[int]] = encoded["input_ids"]
    lengths = torch.tensor([len(row) for row in ids])
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    segments = encoded.get("token_type_ids")
    return Tokens(
        _flat(ids, torch.int32), None if segments is None else _flat(segments, torch.int8), offsets
    )


def _flat(rows: list[list[int]], dtype: torch.dtype) -> Tensor:
    return torch.tensor([item for row in rows for item in row], dtype=dtype)


def joined(parts: list[Tokens]) -> Tokens:
    """Several tables as one, in that order."""
    shifts = torch.tensor([0, *(len(p.ids) for p in parts)]).cumsum(0)
    offsets = [
        parts[0].offsets[:1],
        *(p.offsets[1:] + s for p, s in zip(parts, shifts, strict=False)),
    ]
    segments = [p.segments for p in parts if p.segments is not None]
    return Tokens(
        torch.cat([p.ids for p in parts]),
        torch.cat(segments) if len(segments) == len(parts) else None,
        torch.cat(offsets),
    )


def pad(tokens: Tokens, rows: Tensor, tokenizer: PreTrainedTokenizerBase) -> TokenBatch:
    """The rows as one padded batch, without a Python step per row."""
    start, length_B = tokens.offsets[rows], tokens.lengths[rows]
    T = int(length_B.max())
    column = torch.arange(T)
    attention_BT = column < length_B[:, None]
    place_BT = torch.where(attention_BT, start[:, None] + column, 0)
    ids_BT = torch.where(attention_BT, tokens.ids[place_BT].long(), tokenizer.pad_token_id)
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.bos_token_id}
    special |= {tokenizer.eos_token_id, tokenizer.pad_token_id}
    special_ids = torch.tensor(sorted(i for i in special if i is not None))
    segments = tokens.segments
    return TokenBatch(
        ids_BT,
        attention_BT.long(),
        None if segments is None else segments[place_BT].long() * attention_BT,
        torch.isin(ids_BT, special_ids) | ~attention_BT,
        tokenizer.mask_token_id,
    )


def stacked(
    first: TokenBatch, second: TokenBatch, tokenizer: PreTrainedTokenizerBase
) -> TokenBatch:
    """The rows of two padded batches as one, the shorter one padded further."""
    T = max(first.ids_BT.shape[1], second.ids_BT.shape[1])

    def both(name: str, value: int) -> Tensor:
        parts = [getattr(batch, name) for batch in (first, second)]
        return torch.cat([pad_to(part, (0, T - part.shape[1]), value=value) for part in parts])

    return TokenBatch(
        both("ids_BT", tokenizer.pad_token_id),
        both("attention_BT", 0),
        None if first.segments_BT is None or second.segments_BT is None else both("segments_BT", 0),
        both("special_BT", 1),
        first.mask_id,
    )


def length_batches(lengths: Tensor, size: int, *, generator: torch.Generator) -> list[Tensor]:
    """Shuffled batches of `size` rows of like length: an epoch with little padding.

    Rows are shuffled, sorted by length inside windows of 50 batches, cut, and the batches shuffled,
    so that neighbours differ from epoch to epoch. The last batch may be smaller.
    """
    order = torch.randperm(len(lengths), generator=generator)
    windows = [w[lengths[w].argsort(stable=True)] for w in order.split(size * 50)]
    batches = [batch for window in windows for batch in window.split(size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


class EndlessBatches:
    """Epoch after epoch of `length_batches`, for a stream that another one paces."""

    def __init__(self, lengths: Tensor, size: int, *, generator: torch.Generator) -> None:
        self.lengths, self.size, self.generator = lengths, size, generator
        self._began: Tensor | None = None
        """The generator as it was when the epoch was drawn; None: none was."""
        self._batches: list[Tensor] = []
        self._taken = 0

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        if self._taken == len(self._batches):
            self._began, self._taken = self.generator.get_state(), 0
            self._batches = length_batches(self.lengths, self.size, generator=self.generator)
        self._taken += 1
        return self._batches[self._taken - 1]

    def state_dict(self) -> dict[str, object]:
        return {"began": self._began, "taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Draw the epoch again, and stand where it was left. The stream's generator stays."""
        self._began, self._taken, self._batches = state["began"], state["taken"], []
        if self._began is not None:
            again = torch.Generator().set_state(self._began)
            self._batches = length_batches(self.lengths, self.size, generator=again)


def budget_batches(lengths: Tensor, budget: int) -> list[Tensor]:
    """Rows sorted by length, cut so that no padded batch holds more than `budget` tokens.

    Longest first: a batch that does not fit in memory fails at once, not at the end.
    """
    order = lengths.argsort(descending=True, stable=True)
    batches, start = [], 0
    while start < len(order):
        rows = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def even_batches(lengths: Tensor, budget: int) -> list[Tensor]:
    """Rows sorted by length, the longest first, in batches of like many tokens, about `budget`.

    For rows that are laid end to end, so that only their tokens count. None is more than a row
    larger than `budget`.

    Examples:
        >>> [batch.tolist() for batch in even_batches(torch.tensor([3, 9, 4, 3]), 10)]
        [[1], [2, 0, 3]]
    """
    order = lengths.argsort(descending=True, stable=True)
    ends = lengths[order].cumsum(0)
    many = -(-int(ends[-1]) // budget) if len(order) else 0
    # A row goes where its last token falls.
    at = ((ends - 1) * many).div(int(ends[-1]), rounding_mode="floor") if many else ends
    _, counts = at.unique_consecutive(return_counts=True)
    return list(order.split(counts.tolist()))
