"""Views that are attended to as the original is: the other half of EPT-APT."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses


@losses.register("attention_pull")
class AttentionPull(Loss):
    r"""Pull the attention of the view to that of the unaugmented row, in one layer.

        L_b = 1 / (H T^2) sum_{h,i,j} (A_bhij - A'_bhij)^2

    Symbols: A, `clean_attention` of the layer, float[B, H, T, T], and A', `attention` of its view,
    float[B, H, T, T]: probabilities, 0 at padding; H heads, T tokens of the longest row of the
    batch; L, float[B].

    Paper: Ding et al. 2022, EPT-APT, the attention pull L_AP at layer 5, with weight beta = 1
    beside `embedding_push` and a cross-entropy on the view and on the clean row.

    Departs: padding. The code pads all rows to 128 tokens and counts what they attend to; here
    positions that are padding in both are 0 = 0. T is the batch's own, so a row's value is smaller
    beside longer rows; the order among the rows of a batch stays.

    Raises:
        pydantic.ValidationError: layer is negative.
        ValueError: the input lacks the attention of that layer.

    Examples:
        >>> import torch
        >>> clean, view = torch.eye(2), torch.full((2, 2), 0.5)
        >>> x = LossInput(
        ...     torch.zeros(1, 3),
        ...     attention={5: view[None, None]},
        ...     clean_attention={5: clean[None, None]},
        ... )
        >>> AttentionPull()(x)
        tensor([0.2500])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"attentions"})
    layer: int = Field(5, ge=0, description="whose attention is compared, counted from 0")

    def __call__(self, x: LossInput) -> Tensor:
        view, clean = x.attention.get(self.layer), x.clean_attention.get(self.layer)
        if view is None or clean is None:
            raise ValueError(
                f"attention_pull needs attention and clean_attention of layer {self.layer}, "
                f"float[B, H, T, T]; given: {sorted(x.attention.keys() & x.clean_attention.keys())}"
            )
        return (clean - view).square().flatten(1).mean(1)
