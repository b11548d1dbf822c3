"""Many rows encoded with gradient in the memory of a few: gradient caching.

h_M = e(rows_M) is computed chunk by chunk without keeping what a backward pass needs. When that
pass comes to a chunk, dL/dh of it is known; only then is the chunk encoded a second time, under the
same dropout masks, and its share of dL/dtheta added. Exact, for 4/3 of the arithmetic (Gao et al.
2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from conlst import processes
from conlst.transfer import on

WHOLE = 4096
"""So many tokens are encoded at once, as ever: 32 anchors of 64 tokens have them in two views, and
a step that fits those into memory has room for as many again."""
CHUNK = 2048
"""Tokens of a chunk, if there are more. Half of that leaves room for a heap in pieces, and a matrix
product of 2048 rows is as fast as any."""
ON_A_GPU = 4
"""Times as many of both, to fill it; and as many times as processes share the rows."""


def at_once(lengths_M: Tensor, device: torch.device) -> bool:
    """Whether rows of these lengths, int64[M], are few enough for one graph.

    Examples:
        >>> at_once(torch.tensor([3000, 900]), torch.device("cpu"))
        True
    """
    return int(lengths_M.sum()) <= _times(device) * WHOLE


def _times(device: torch.device) -> int:
    return processes.many() * (1 if device.type == "cpu" else ON_A_GPU)


def in_chunks(
    encode: Callable[[Tensor], Tensor], rows_M: Tensor, lengths_M: Tensor, device: torch.device
) -> Tensor:
    """Encode rows in their order, with gradient, holding the activations of `WHOLE` tokens at most.

    Up to so many are encoded once, as they would be without this.

    Args:
        encode: rows int64[m] -> float[m, D], each row by itself but for its dropout masks.
        rows_M: int64[M], one row or more.
        lengths_M: int64[M], their tokens.
        device: where `encode` draws dropout masks.

    Returns:
        float[M, D]

    Examples:
        >>> weight, rows = torch.ones(1, requires_grad=True), torch.arange(4)
        >>> lengths, cpu = torch.tensor([3000, 900, 3000, 64]), torch.device("cpu")
        >>> h = in_chunks(lambda some: some[:, None] * weight, rows, lengths, cpu)
        >>> h.flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]
        >>> h.sum().backward()
        >>> weight.grad
        tensor([6.])
    """
    if at_once(lengths_M, device):
        return encode(rows_M)
    # Rows of like length stand together. The backward pass comes to the longest first, so that a
    # chunk fits where the one before it lay.
    order_M = lengths_M.argsort(stable=True)
    chunk_M = (lengths_M[order_M].cumsum(0) - 1) // (_times(device) * CHUNK)
    sizes = chunk_M.unique_consecutive(return_counts=True)[1].tolist()
    # `checkpoint` replays the chance of the CPU and of the devices that its arguments are on. The
    # reentrant kind leaves one node of a graph for each chunk; the other keeps as many as were
    # computed, and small things that live long among large ones that do not break up the heap.
    there = torch.empty(0, device=device, requires_grad=True)
    parts = [
        checkpoint(lambda some, _: encode(some), rows_M[some], there, use_reentrant=True)
        for some in order_M.split(sizes)
    ]
    return torch.cat(parts)[on(device, order_M.argsort())]
