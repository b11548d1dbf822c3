"""A prediction that does not change when the input is shaken a little."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.cross_entropy import cross_entropy
from conlst.losses.divergence import kl


@losses.register("r3f")
class R3F(Loss):
    r"""Cross-entropy of the clean row, and the two-sided divergence from its noised view.

        L_b = - sum_c target_bc log p_bc + lambda ( KL(p~_b || p_b) + KL(p_b || p~_b) )

    Symbols: p = softmax of `clean_logits` float[B, C]; p~ = softmax of `logits` float[B, C], of the
    same rows with noise on their token embeddings; target, float[B, C], rows sum to 1; lambda, the
    field `weight`; L, float[B], in nats.

    It belongs with the augmenter `embedding_noise`, whose scale is R3F's eps; with any other view
    it is a two-sided consistency loss.

    Paper: Aghajanyan et al. 2020, "Better Fine-Tuning by Reducing Representational Collapse",
    lambda = 1 (.7 in an example of its code).

    Departs: nothing in the loss: gradients flow into both predictions, as in the code. R4F's
    spectral norm of the classifier is left out.

    Raises:
        pydantic.ValidationError: weight is negative.
        ValueError: the input lacks target or clean_logits.

    Examples:
        >>> import torch
        >>> clean, noised = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.8, 0.0]])
        >>> R3F()(LossInput(noised, target=torch.tensor([[1.0, 0.0]]), clean_logits=clean))
        tensor([0.1315])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target", "clean"})
    weight: float = Field(1.0, ge=0, description="lambda: how much the divergence counts")

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None or x.clean_logits is None:
            raise ValueError("r3f needs target and clean_logits, float[B, C]")
        log_p, log_noised = x.clean_logits.log_softmax(1), x.logits.log_softmax(1)
        apart_B = kl(log_noised, log_p) + kl(log_p, log_noised)
        return cross_entropy(x.clean_logits, x.target) + self.weight * apart_B
