"""The rows of a batch are encoded by several processes, each its share, and every process has all.

    h_B  = [e(rows of process 0), e(rows of process 1), ...]    gathered, in the rows' own order
    L    = a loss of h_B, computed alike by all W processes
    dL/dtheta = (1 / W) * sum_r g_r,  g_r of process r with its own rows' dL/dh counted W times

So a loss may compare any rows, means are over the whole batch however many rows each process had,
and what stands above the encoder (heads, losses that learn), whose gradient is whole everywhere,
comes out of the same mean. Where there are fewer rows than processes, each encodes them all.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed

from conlst import processes


class Shares:
    """Which rows each process encodes: dealt out one by one, the longest first.

    Args:
        lengths_B: tokens of each row.
        many: processes.

    Examples:
        >>> shares = Shares(torch.tensor([3, 9, 4, 5, 1]), 2)
        >>> [rows.tolist() for rows in shares.rows]
        [[1, 2, 4], [3, 0]]
        >>> shares.back.tolist()  # where the rows are, once 2 times 3 are gathered
        [4, 0, 1, 3, 2]
    """

    def __init__(self, lengths_B: Tensor, many: int) -> None:
        order = lengths_B.argsort(descending=True, stable=True)
        self.rows = [order[number::many] for number in range(many)]
        self.most = len(self.rows[0])
        self.back = torch.empty_like(order)
        for number, rows in enumerate(self.rows):
            self.back[rows] = number * self.most + torch.arange(len(rows))


def gathered(own_bX: Tensor, shares: Shares) -> Tensor:
    """float[B, X], with gradient: what all processes made of their shares, in the rows' order."""
    whole: Tensor = _Gathered.apply(own_bX, shares.most)  # type: ignore[no-untyped-call]
    return whole[shares.back.to(whole.device)]


class _Gathered(torch.autograd.Function):
    """Everybody's rows; of their gradient, a process's own, W times."""

    @staticmethod
    def forward(ctx: Any, own_bX: Tensor, most: int) -> Tensor:
        ctx.rows, ctx.most = len(own_bX), most
        padded = own_bX.new_zeros(most, own_bX.shape[1])
        padded[: len(own_bX)] = own_bX
        whole_WmX = own_bX.new_empty(processes.many(), *padded.shape)
        distributed.all_gather(list(whole_WmX), padded)
        return whole_WmX.flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        start = processes.number() * ctx.most
        return processes.many() * grads[0][start : start + ctx.rows], None


def average(parameters: Iterable[Tensor]) -> None:
    """Give every process the mean of all their gradients."""
    if processes.many() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    for work in [distributed.all_reduce(each, async_op=True) for each in gradients]:
        work.wait()
    torch._foreach_div_(gradients, processes.many())


@contextmanager
def own_chance(device: torch.device) -> Iterator[None]:
    """Dropout masks of this process's own; the chance that all share stays the same for all.

    Without it the first rows of two shares, which may be two views of one text, had one mask.
    """
    seed = int(torch.randint(2**62, ()))
    on_device = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(on_device, device_type=_kind(device)):
        torch.manual_seed(seed + processes.number())
        yield


def _kind(device: torch.device) -> str:
    return "cuda" if device.type == "cpu" else device.type
