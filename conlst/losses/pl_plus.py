"""Positive learning where only one class is left to believe in."""

from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses


@losses.register("pl_plus")
class PLPlus(Loss):
    r"""Sharpen the prediction of rows with a single class above chance; a reconstruction.

        L_b = - [ #{ k : p_bk > 1/C } = 1 ] w_b log p_b,yhat,    p_b = softmax(logits_b)
        yhat_b = argmax_k p_bk,    w_b = sg[ 1 - p_b,yhat^2 ]

    Symbols: logits, float[B, C]; yhat, int64[B]; w, float[B], without gradient (sg); L, float[B],
    in nats. All other rows, those at chance included, have loss 0.

    It is meant to stand beside `nl_plus` in a `weighted_sum`: negative learning takes classes away
    until one is left, and this one then speeds that one up, the less so the surer it already is.

    Paper: Kim et al. 2021, "Joint Negative and Positive Learning for Noisy Labels" (JNPL), PL+.

    Departs: a reconstruction. There is no official code; w is the unofficial version's, whose
    product over the whole batch and whose use of the given label are left out: here each row has
    its own weight and is pulled to its own prediction, which for an unlabelled row is its label.

    Raises:
        Nothing: every batch has logits.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[0.90, 0.05, 0.05], [0.50, 0.40, 0.10]]).log())
        >>> PLPlus()(x)
        tensor([0.0200, 0.0000])
    """

    def __call__(self, x: LossInput) -> Tensor:
        log_p_BC = x.logits.log_softmax(1)
        alone_B = (log_p_BC.exp() > 1 / log_p_BC.shape[1]).sum(1) == 1
        log_p_B = log_p_BC.amax(1)
        weight_B = (1 - log_p_B.exp().square()).detach()
        return (-weight_B * log_p_B).where(alone_B, 0)
