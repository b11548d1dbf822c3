"""Cross-entropy with a target distribution."""

from typing import Literal

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses


@losses.register("cross_entropy")
class CrossEntropy(Loss):
    r"""Cross-entropy of each row with its target, hard or mixed.

        L_b = - sum_c target_bc log p_bc,    p_b = softmax(z_b)

    Symbols: z, `logits` float[B, C] (view) or `clean_logits` float[B, C], the same rows without
    augmentation (clean); target, float[B, C], rows sum to 1; L, float[B], in nats.

    Paper: the L_CE of Li et al. 2024, CoNLST, Eq. 12-14; with mixed targets the loss of mixup
    (Zhang et al. 2018). On clean rows, beside the views, it is the robust target of EPT-APT (Ding
    et al. 2022).

    Departs: nothing is thresholded or averaged here; who counts and how much is decided by the
    selector and applied once, in train.py.

    Raises:
        ValueError: the input has no target, or no clean_logits with `on: clean`.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), target=torch.eye(2))
        >>> CrossEntropy()(x)
        tensor([0.1269, 2.1269])
    """

    on: Literal["view", "clean"] = Field(
        "view", description="whose logits: the augmented view's, or the unaugmented row's"
    )

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """The target; for the clean row, also its logits."""
        return frozenset({"target"} if self.on == "view" else {"target", "clean"})

    def __call__(self, x: LossInput) -> Tensor:
        logits = x.logits if self.on == "view" else x.clean_logits
        if x.target is None or logits is None:
            clean = "" if self.on == "view" else " and clean_logits, float[B, C]"
            raise ValueError(f"cross_entropy needs target, float[B, C]{clean}")
        return cross_entropy(logits, x.target)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Compute - sum_c target_bc log softmax(logits_b)_c of every row: float[B]."""
    return -(target * logits.log_softmax(1)).sum(1)
