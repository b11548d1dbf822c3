"""Rows laid end to end: an encoder computes their tokens, and not one position of padding.

Everything in an encoder but attention treats each token by itself, so a batch may be one long row
of N tokens: ids[1, N], with positions that begin anew at every row. Attention alone must know where
a row ends. Rows are laid in order of length; a run of n rows of L tokens each is then a view
[n, H, L, d] of the queries, keys and values, and is attended to in one call, without a mask. On a
GPU, where calls are dear, torch's flash kernel for rows of any length does all of it in one; it
knows no float32, for which attention alone goes back to padded rows.

A classifier reads the first token of each row only. In the last layer, what follows attention is
therefore computed for the first tokens alone, and the model's own heads, which take
`states[:, 0]`, are handed [B, 1, D]. The outcome is that of the padded pass, up to rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from conlst.arrays import TokenBatch, Tokens
from conlst.inside import layers_of
from conlst.transfer import on

HALVES = (torch.bfloat16, torch.float16)
ATTENTION = "conlst_rows"
"""The name under which transformers knows `attend`."""
FEW_RUNS = 16
"""Up to so many are attended to one by one on a GPU (measured); a CPU minds no number."""
AFTER_ATTENTION = {
    "bert": "attention",
    "camembert": "attention",
    "distilbert": "sa_layer_norm",
    "roberta": "attention",
    "xlm-roberta": "attention",
}
"""model_type -> the part of a layer whose output enters the feed-forward network and its residual.

These families are known to take positions, and to read nothing but the first token.
"""


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows end to end, the longest first."""

    ids_1N: Tensor
    segments_1N: Tensor | None
    place_1N: Tensor
    """int64[1, N]: 0, 1, ... in each row."""
    first_B: Tensor
    """int64[B]: where each row begins, in the order in which the rows were asked for."""
    runs: tuple[tuple[int, int], ...]
    """(rows, tokens of each), from the left: neighbours of one length."""

    def __len__(self) -> int:
        return len(self.first_B)


def packed(tokens: Tokens, rows: Tensor) -> Packed:
    """The rows at `rows` (int64[B], which may repeat) end to end, without a Python step per row.

    Examples:
        >>> offsets = torch.tensor([0, 2, 5])
        >>> both = packed(
        ...     Tokens(torch.tensor([7, 8, 4, 5, 6]), None, offsets), torch.tensor([0, 1])
        ... )
        >>> both.ids_1N.tolist(), both.place_1N.tolist()
        ([[4, 5, 6, 7, 8]], [[0, 1, 2, 0, 1]])
        >>> both.first_B.tolist(), both.runs
        ([3, 0], ((1, 3), (1, 2)))
    """
    order = tokens.lengths[rows].argsort(descending=True, stable=True)
    laid = tokens.take(rows[order])
    start_B = laid.offsets[:-1]
    place_N = torch.arange(len(laid.ids)) - start_B.repeat_interleave(laid.lengths)
    lengths, counts = laid.lengths.unique_consecutive(return_counts=True)
    return Packed(
        laid.ids.long()[None],
        None if laid.segments is None else laid.segments.long()[None],
        place_N[None],
        torch.empty_like(start_B).index_copy_(0, order, start_B),
        tuple(zip(counts.tolist(), lengths.tolist(), strict=True)),
    )


def unpadded(batch: TokenBatch) -> Tokens:
    """The tokens of a padded batch, in its order."""
    token_BT = batch.attention_BT.bool()
    ends = token_BT.sum(1).cumsum(0)
    return Tokens(
        batch.ids_BT[token_BT],
        None if batch.segments_BT is None else batch.segments_BT[token_BT],
        torch.cat([ends.new_zeros(1), ends]),
    )


def packs(network: PreTrainedModel) -> bool:
    """Whether a network is of a family whose rows can be laid end to end."""
    config = network.config
    # A chunked feed-forward network wants lengths that its chunks divide.
    chunked = getattr(config, "chunk_size_feed_forward", 0) > 0
    causal = getattr(config, "is_decoder", False)
    return config.model_type in AFTER_ATTENTION and not chunked and not causal


def positions(network: PreTrainedModel, rows: Packed) -> Tensor:
    """int64[1, N]: the rows of the position table that the tokens' embeddings are added to.

    RoBERTa and its kin count from behind their padding id, and count no token that has this id (a
    text may spell it out).
    """
    if "roberta" not in network.config.model_type and network.config.model_type != "camembert":
        return rows.place_1N
    padding = network.config.pad_token_id
    counts_N = (rows.ids_1N[0] != padding).long()
    before_N = counts_N.cumsum(0)
    start_N = torch.arange(len(before_N)) - rows.place_1N[0]
    before_row_N = before_N[start_N] - counts_N[start_N]
    place_N: Tensor = (before_N - before_row_N) * counts_N + padding
    return place_N[None]


@contextmanager
def end_to_end(network: PreTrainedModel, rows: Packed) -> Iterator[dict[str, Any]]:
    """Let a network compute `rows` in the one forward pass made inside.

    Yields:
        The keyword arguments of that pass. Its heads then see states [B, 1, D], the rows in the
        order in which they were asked for.
    """
    inputs = {"input_ids": rows.ids_1N, "position_ids": positions(network, rows)}
    if rows.segments_1N is not None and getattr(network.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = rows.segments_1N
    first_B = on(network.device, rows.first_B)
    module = layers_of(network)[-1].get_submodule(AFTER_ATTENTION[network.config.model_type])
    handle = module.register_forward_hook(lambda _module, _args, out: _first(out, first_B))
    before = network.config._attn_implementation
    network.config._attn_implementation = ATTENTION
    there = {name: on(network.device, value) for name, value in inputs.items()}
    try:
        yield there | {"layout": Layout(rows.runs, network.device)}
    finally:
        network.config._attn_implementation = before
        handle.remove()


@dataclass(frozen=True, eq=False)
class Layout:
    """Rows end to end as attention needs to know them; made once a pass, for all layers."""

    runs: tuple[tuple[int, int], ...]
    device: torch.device

    @property
    def few(self) -> bool:
        """Whether a call a run is the cheapest."""
        return self.device.type == "cpu" or len(self.runs) <= FEW_RUNS

    @cached_property
    def grid(self) -> "Grid":
        return Grid.of(self.runs, self.device)

    @cached_property
    def ends(self) -> Tensor:
        """int32[B + 1]: where each row begins, and the end of the last."""
        counts, lengths = torch.tensor(self.runs).unbind(1)
        ends = lengths.repeat_interleave(counts).cumsum(0, dtype=torch.int32)
        return on(self.device, torch.cat([ends.new_zeros(1), ends]))


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the tokens of rows end to end stand among padded rows [B, T]."""

    token_BT: Tensor
    """bool[B, T]: whether the place is within its row; T is a multiple of 8, as kernels like."""
    place_N: Tensor
    """int64[N]: each token's place among the B * T."""
    token_P: Tensor
    """int64[B * T]: the token that stands at each place; beyond a row, some other's."""

    @classmethod
    def of(cls, runs: tuple[tuple[int, int], ...], device: torch.device) -> "Grid":
        """The grid of rows laid out in these runs."""
        counts, lengths = torch.tensor(runs).unbind(1)
        T = -(-int(lengths.max()) // 8) * 8
        token_BT = torch.arange(T) < lengths.repeat_interleave(counts)[:, None]
        inside_P = token_BT.flatten()
        place_N, token_P = inside_P.nonzero().flatten(), (inside_P.cumsum(0) - 1).clamp(min=0)
        return cls(on(device, token_BT), on(device, place_N), on(device, token_P))

    def padded(self, x_1HNd: Tensor) -> Tensor:
        """[B, H, T, d]; beyond a row stands some token of another, which attention must mask."""
        x_PHd: Tensor = _AtPlaces.apply(  # type: ignore[no-untyped-call]
            x_1HNd.squeeze(0).transpose(0, 1), self.token_P, self.place_N
        )
        x_BHTd: Tensor = x_PHd.unflatten(0, self.token_BT.shape).transpose(1, 2)
        return x_BHTd


class _AtPlaces(torch.autograd.Function):
    """Tokens [N, ...] at the places of padded rows [P, ...]; one look-up there, and one back.

    What stands beyond a row is masked as a key and dropped as a query, so its gradient is 0, and
    none needs to be added up.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, token_P: Tensor, place_N: Tensor) -> Tensor:
        ctx.save_for_backward(place_N)
        return x.index_select(0, token_P)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (place_N,) = ctx.saved_tensors
        return grads[0].index_select(0, place_N), None, None


def _first(out: Any, first_B: Tensor) -> Any:
    """States [1, N, D], alone or leading a tuple, at the first tokens only: [B, 1, D]."""
    if isinstance(out, tuple):
        return (_first(out[0], first_B), *out[1:])
    return out.squeeze(0).index_select(0, first_B).unsqueeze(1)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    layout: Layout | None = None,
    **others: object,
) -> tuple[Tensor, None]:
    """softmax(q k^T * scaling) v within each row; all are [1, H, N, d], the outcome [1, N, H, d].

    It has the signature that transformers asks of an attention function.
    """
    assert layout is not None
    if _flashes(query):
        q, k, v = (x.squeeze(0).transpose(0, 1) for x in (query, key, value))  # [N, H, d]
        return _flash(q, k, v, layout, dropout, scaling)[None], None
    if not layout.few:
        grid = layout.grid
        q, k, v = (grid.padded(x) for x in (query, key, value))
        mask_B11T = grid.token_BT[:, None, None, :]
        seen = scaled_dot_product_attention(q, k, v, mask_B11T, dropout, scale=scaling)
        return seen.transpose(1, 2).flatten(0, 1).index_select(0, grid.place_N)[None], None
    runs = layout.runs
    sizes = [rows * length for rows, length in runs]
    # One split, not a slice a run: the gradient of a slice is as large as the whole.
    parts = zip(runs, *(x.squeeze(0).split(sizes, 1) for x in (query, key, value)), strict=True)
    out = []
    for (rows, length), *qkv in parts:
        q, k, v = (x.unflatten(1, (rows, length)).transpose(0, 1) for x in qkv)  # [n, H, L, d]
        seen = scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
        out.append(seen.transpose(1, 2).flatten(0, 1))
    return torch.cat(out)[None], None


def _flashes(query: Tensor) -> bool:
    """Whether the flash kernel takes such queries: halves, on an Ampere GPU or a later one."""
    if not query.is_cuda or query.dtype not in HALVES or query.shape[-1] % 8 > 0:
        return False
    return torch.cuda.get_device_capability(query.device) >= (8, 0)


def _flash(
    q_NHd: Tensor, k_NHd: Tensor, v_NHd: Tensor, layout: Layout, dropout: float, scale: float | None
) -> Tensor:
    """[N, H, d]: all rows in one call.

    It is what torch's `varlen_attn` calls, which knows no dropout.
    """
    longest, ends = layout.runs[0][1], layout.ends
    out: Tensor = torch.ops.aten._flash_attention_forward(
        q_NHd, k_NHd, v_NHd, ends, ends, longest, longest, dropout, False, False, scale=scale
    )[0]
    return out


AttentionInterface.register(ATTENTION, attend)
