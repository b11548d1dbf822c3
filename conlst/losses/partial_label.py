"""A label that is one of a few: believe in the likeliest of them, and in none of the others."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses


@losses.register("partial_label")
class PartialLabel(Loss):
    r"""Leveraged weighted loss: raise the candidate classes and lower the others, by likelihood.

        L_b = w0 sum_{k in S_b} c_bk sigmoid(-z_bk) + w sum_{k not in S_b} c_bk sigmoid(z_bk)
        S_b = { k : target_bk > 0 }
        c_bk = sg[ e^{z_bk} / sum_{j on the same side of S_b as k} e^{z_bj} ]

    Symbols: z, `logits` float[B, C]; target, float[B, C], of which only the sign counts: a one-hot
    row is an ordinary label, a row with two positive entries a partial one; c, float[B, C], without
    gradient (sg), sums to 1 over S_b and over its complement; L, float[B], from 0 to w0 + w.

    With C = 3 and the two likeliest classes as candidates, the one class outside is the least
    likely one: CLTP then knows of a row what CoNLST's complementary label knows.

    Paper: Lei et al. 2022, "Uncertainty-Aware Cross-Lingual Transfer with Pseudo Partial Labels"
    (CLTP), w0 = w = 1, after the leveraged weighted loss of Wen et al. 2021.

    Departs: CLTP keeps c in a table and refreshes a row of it after each step on that row; here c
    comes from the step's own logits. Its sigmoid takes single logits, so the loss depends on what
    softmax does not see, a constant added to all logits of a row.

    Raises:
        pydantic.ValidationError: w0 or w is negative.
        ValueError: the input has no target.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[2.0, 1.0, 0.0]]), target=torch.tensor([[0.5, 0.5, 0.0]]))
        >>> PartialLabel()(x)
        tensor([0.6595])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target"})
    w0: float = Field(1.0, ge=0, description="weight of the candidate classes")
    w: float = Field(1.0, ge=0, description="weight of the classes outside")

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None:
            raise ValueError("partial_label needs target, float[B, C]")
        candidate_BC = x.target > 0
        inside_BC = _share(x.logits, candidate_BC) * (-x.logits).sigmoid()
        outside_BC = _share(x.logits, ~candidate_BC) * x.logits.sigmoid()
        return (self.w0 * inside_BC + self.w * outside_BC).sum(1)


def _share(logits: Tensor, side_BC: Tensor) -> Tensor:
    """Softmax over the classes of one side, 0 at the others and where there is none."""
    least = torch.finfo(logits.dtype).min
    return logits.detach().masked_fill(~side_BC, least).softmax(1) * side_BC
