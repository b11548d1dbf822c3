"""Learn a teacher's whole distribution, the small probabilities included."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.divergence import kl


@losses.register("distillation")
class Distillation(Loss):
    r"""Divergence of the prediction from a soft target, both at a higher temperature.

        L_b = T^2 KL( q_b || softmax(z_b / T) ),    q_bc = target_bc^{1/T} / sum_k target_bk^{1/T}

    Symbols: z, `logits` float[B, C]; target, float[B, C], rows sum to 1, the teacher's
    probabilities; q, float[B, C], the same at temperature T; L, float[B], in nats.

    If target = softmax(t), then q = softmax(t / T): the teacher's logits are not needed. A class
    of probability 0 stays at 0, so that a hard target stays hard.

    Paper: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", whose T^2 keeps the
    gradient's size whatever T is; in FILTER (Fang et al. 2021) it is the self-teaching loss, a
    model being taught by the one before it.

    Departs: FILTER's code divides by C as well ('mean' of KLDivLoss), and its T of .1 sharpens the
    teacher. T = 2, from the range 1 to 10 that Hinton et al. tried on speech, softens it a little.

    Raises:
        pydantic.ValidationError: temperature is not positive.
        ValueError: the input has no target.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.zeros(2, 2), target=torch.tensor([[0.8, 0.2], [0.5, 0.5]]))
        >>> Distillation()(x)
        tensor([0.2265, 0.0000])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target"})
    temperature: float = Field(2.0, gt=0, description="T: above 1 softens, below 1 sharpens")

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None:
            raise ValueError("distillation needs target, float[B, C]")
        T = self.temperature
        teacher_BC = (x.target.log() / T).log_softmax(1)
        return T**2 * kl(teacher_BC, (x.logits / T).log_softmax(1))
