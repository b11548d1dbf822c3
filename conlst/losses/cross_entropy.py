"""Cross-entropy with a target distribution."""

from typing import ClassVar

from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses


@losses.register("cross_entropy")
class CrossEntropy(Loss):
    r"""Cross-entropy of each row with its target, hard or mixed.

        L_b = - sum_c target_bc log p_bc,    p_b = softmax(logits_b)

    Symbols: logits, float[B, C]; target, float[B, C], rows sum to 1; L, float[B], in nats.

    Paper: the L_CE of Li et al. 2024, CoNLST, Eq. 12-14; with mixed targets the loss of mixup
    (Zhang et al. 2018).

    Departs: nothing is thresholded or averaged here; who counts and how much is decided by the
    selector and applied once, in train.py.

    Raises:
        ValueError: the input has no target.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), target=torch.eye(2))
        >>> CrossEntropy()(x)
        tensor([0.1269, 2.1269])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target"})

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None:
            raise ValueError("cross_entropy needs target, float[B, C]")
        return -(x.target * x.logits.log_softmax(1)).sum(1)
