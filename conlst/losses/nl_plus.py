"""Negative learning that lets go of a class which the model is sure of."""

from typing import ClassVar

from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.negative import log_not


@losses.register("nl_plus")
class NLPlus(Loss):
    r"""Negative learning in which each complementary class counts 1 - p; a reconstruction.

        L_b = - sum_{k in complement_b} sg[n_bk] log n_bk
        n_bk = clamp(1 - p_bk, 1e-5, 1),    p_b = softmax(logits_b)

    Symbols: logits, float[B, C]; complement, bool[B, C]; sg[n], float[B, C], n without gradient, as
    a weight; L, float[B], in nats. A row without complementary classes has loss 0.

    With one complementary class k the gradient is dL/dz_k = p_k (1 - p_k) and dL/dz_j = - p_k p_j:
    the weight cancels the 1 / (1 - p_k) of `negative`, whose gradient is largest (1) where the
    model contradicts the complementary label most, which is where that label is most likely wrong.

    Paper: Kim et al. 2021, "Joint Negative and Positive Learning for Noisy Labels" (JNPL), NL+.

    Departs: a reconstruction. There is no official code, and the one unofficial version overwrites
    this weight; the formula follows the paper's stated aim. The clamp is NLNL's.

    Raises:
        ValueError: the input has no complement.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[2.0, 1.0, 0.0]]), complement=torch.tensor([[1, 0, 0]]) > 0)
        >>> NLPlus()(x)
        tensor([0.3663])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"complement"})

    def __call__(self, x: LossInput) -> Tensor:
        if x.complement is None:
            raise ValueError("nl_plus needs complement, bool[B, C]")
        log_not_BC = log_not(x.logits)
        weight_BC = log_not_BC.exp().detach()
        return -(weight_BC * log_not_BC).masked_fill(~x.complement, 0).sum(1)
