"""Cross-entropy that cares less for rows that are right already."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses import Loss, losses


@losses.register("focal")
class Focal(Loss):
    r"""Cross-entropy, scaled down where the target is likely already.

        L_b = - sum_c target_bc (1 - p_bc)^gamma log p_bc,    p_b = softmax(logits_b)

    Symbols: logits, float[B, C]; target, float[B, C], rows sum to 1; L, float[B], in nats.

    Paper: Lin et al. 2017, "Focal Loss for Dense Object Detection", Eq. 4.

    Raises:
        ValueError: the input has no target.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), target=torch.eye(2))
        >>> Focal()(x)
        tensor([0.0018, 1.6501])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target"})
    gamma: float = Field(2.0, ge=0, description="0 is cross-entropy")

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None:
            raise ValueError("focal needs target, float[B, C]")
        log_p_BC = x.logits.log_softmax(1)
        weight_BC = (1 - log_p_BC.exp()) ** self.gamma
        return -(x.target * weight_BC * log_p_BC).sum(1)
