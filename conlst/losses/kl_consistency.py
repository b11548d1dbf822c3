"""What the model is sure of in the row as it is, it should also say of the augmented view."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.divergence import kl


@losses.register("kl_consistency")
class KLConsistency(Loss):
    r"""Draw the view's prediction to the sharpened prediction of the unaugmented row.

        L_b = [ max_c softmax(z_b)_c > beta ] KL( sg[softmax(z_b / T)] || softmax(z'_b) )

    Symbols: z, `clean_logits` float[B, C], of the rows as they are, without gradient (sg); z',
    `logits` float[B, C], of their views; beta, threshold; T, temperature; L, float[B], in nats. A
    row that the model is not sure of has loss 0.

    Paper: Xie et al. 2020, "Unsupervised Data Augmentation" (UDA), with its sharpening and its
    masking; beta = .8 and T = .4 as USB has them for text.

    Departs: nothing. The mean over rows counts the masked ones, as UDA's does. The confidence is
    that before sharpening, and the temperature is on the clean side only (one port of UDA has it on
    the view's).

    Raises:
        pydantic.ValidationError: threshold outside [0, 1], or temperature not positive.
        ValueError: the input has no clean_logits.

    Examples:
        >>> import torch
        >>> clean = torch.tensor([[3.0, 0.0], [0.5, 0.0]])
        >>> KLConsistency()(LossInput(torch.zeros(2, 2), clean_logits=clean))
        tensor([0.6884, 0.0000])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"clean"})
    threshold: float = Field(0.8, ge=0, le=1, description="beta: rows not surer than it are left")
    temperature: float = Field(0.4, gt=0, description="T: below 1 sharpens the clean prediction")

    def __call__(self, x: LossInput) -> Tensor:
        if x.clean_logits is None:
            raise ValueError("kl_consistency needs clean_logits, float[B, C]")
        clean = x.clean_logits.detach()
        sure_B = clean.softmax(1).amax(1) > self.threshold
        sharpened_BC = (clean / self.temperature).log_softmax(1)
        return kl(sharpened_BC, x.logits.log_softmax(1)).where(sure_B, 0)
