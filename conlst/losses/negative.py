"""Negative learning: push down the probability of a class that the row is held not to be."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses

LEAST = 1e-5
"""NLNL's lower bound of 1 - p, without which one row could outweigh all the others."""


@losses.register("negative")
class Negative(Loss):
    r"""Negative learning: the surprise that a row is not its complementary class.

        L_b = - sum_{k in complement_b} log clamp(1 - p_bk, 1e-5, 1),    p_b = softmax(logits_b)

    Symbols: logits, float[B, C]; complement, bool[B, C]; L, float[B], in nats. A row without
    complementary classes has loss 0.

    Paper: Li et al. 2024, CoNLST, Eq. 1, after Kim et al. 2019, "NLNL", whose clamp it keeps:
    where p_bk > 1 - 1e-5 the loss is flat at 11.5 and gives no gradient.

    Departs: the paper's "kth entry of sample k" is read as p_bk of row b. NLNL's class weights
    (inverse frequency of the given labels) are left out.

    Raises:
        ValueError: the input has no complement.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[2.0, 1.0, 0.0]]), complement=torch.tensor([[0, 0, 1]]) > 0)
        >>> Negative()(x)
        tensor([0.0943])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"complement"})

    def __call__(self, x: LossInput) -> Tensor:
        if x.complement is None:
            raise ValueError("negative needs complement, bool[B, C]")
        return -log_not(x.logits).masked_fill(~x.complement, 0).sum(1)


def log_not(logits: Tensor) -> Tensor:
    """Compute log clamp(1 - p_bk, 1e-5, 1) of every class: float[B, C].

    1 - p is summed from the other classes, not subtracted: near p = 1 the difference would have
    few digits left, and so would its gradient.

    Examples:
        >>> log_not(torch.tensor([[0.0, 0.0, 8.0]]))
        tensor([[-3.3529e-04, -3.3529e-04, -7.3075e+00]])
    """
    itself_CC = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    others_BCC = logits.log_softmax(1)[:, None, :].masked_fill(itself_CC, -torch.inf)
    return others_BCC.logsumexp(2).clamp(math.log(LEAST), 0)
