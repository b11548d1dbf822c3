"""Logits as evidence: a prediction that knows how much it has seen."""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import elu

from conlst.arrays import LossInput
from conlst.losses.base import Loss, Readout, losses


@losses.register("evidential")
class Evidential(Loss, Readout):
    r"""Expected squared error under the Dirichlet distribution that the logits stand for.

        L_b = sum_c (target_bc - p_bc)^2 + p_bc (1 - p_bc) / (S_b + 1)
        p_bc = alpha_bc / S_b,    S_b = sum_c alpha_bc,    alpha_bc = ELU(z_bc) + 2

    Symbols: z, `logits` float[B, C]; alpha - 1 = ELU(z) + 1, float[B, C], the evidence, above 0;
    S, float[B]; p, float[B, C], the mean of the Dirichlet distribution, which is also how
    probabilities are read off; target, float[B, C], rows sum to 1; L, float[B], from 0 to 2.

    Evidence grows like the logit, not like its exponential: p is far less extreme than softmax, so
    that a selector's threshold chosen for softmax is too high for it. C / S, the vacuity, says how
    little evidence there is.

    Paper: Xu et al. 2021, "Boosting Cross-Lingual Transfer via Self-Learning with Uncertainty
    Estimation", EVI, after Sensoy et al. 2018, "Evidential Deep Learning", Eq. 5.

    Departs: as in Xu et al.'s code, ELU + 1 makes the evidence and there is no divergence from the
    uniform Dirichlet distribution.

    Raises:
        ValueError: the input has no target.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[4.0, 0.0]]), target=torch.tensor([[1.0, 0.0]]))
        >>> Evidential()(x), Evidential().probabilities(x.logits, torch.zeros(1, 1))
        (tensor([0.1667]), tensor([[0.7500, 0.2500]]))
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target"})

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None:
            raise ValueError("evidential needs target, float[B, C]")
        alpha_BC = _alpha(x.logits)
        S_B1 = alpha_BC.sum(1, keepdim=True)
        p_BC = alpha_BC / S_B1
        return ((x.target - p_BC).square() + p_BC * (1 - p_BC) / (S_B1 + 1)).sum(1)

    def probabilities(self, logits_BC: Tensor, features_BD: Tensor) -> Tensor:
        alpha_BC = _alpha(logits_BC)
        return alpha_BC / alpha_BC.sum(1, keepdim=True)


def _alpha(logits: Tensor) -> Tensor:
    return elu(logits) + 2
