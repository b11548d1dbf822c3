"""Training signal annealing: labelled rows that are learnt already wait until later."""

import math
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.cross_entropy import cross_entropy


@losses.register("tsa")
class TSA(Loss):
    r"""Cross-entropy of the labelled rows that are not learnt better than the stage has got.

        L_b = B / max(|K|, 1) [ b in K ] ( - sum_c target_bc log p_bc ),    p_b = softmax(logits_b)
        K = { b : p_b,y <= eta_t },    y_b = argmax_c target_bc
        eta_t = a_t (1 - 1/C) + 1/C
        a_t = t linear | e^{5 (t - 1)} exp | 1 - e^{-5 t} log

    Symbols: logits, float[B, C]; target, float[B, C], rows sum to 1; y, int64[B], the true label;
    t, `progress`, the share of the stage that is done, from 0 to 1; eta_t, one number, from chance
    to 1; L, float[B], in nats. Where no row is kept all have loss 0.

    The factor makes the mean over all B rows the mean over the kept ones, which is what UDA
    minimises.

    Paper: Xie et al. 2020, "Unsupervised Data Augmentation" (UDA), training signal annealing; exp
    where labels are few or easy to learn, log where they are many. USB's text recipes use exp.

    Departs: nothing. USB compares the largest probability, not the true label's, and so drops
    rows that are surely wrong, the very ones to learn from; and it averages over all rows.

    Raises:
        pydantic.ValidationError: an unknown schedule.
        ValueError: the input has no target.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
        >>> x = LossInput(logits, target=torch.tensor([[1.0, 0.0], [1.0, 0.0]]), progress=0.5)
        >>> TSA()(x)
        tensor([0.0000, 6.0972])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target", "progress"})
    compares_rows: ClassVar[bool] = True
    schedule: Literal["linear", "exp", "log"] = Field(
        "exp", description="how the threshold rises: evenly, late or early"
    )

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None:
            raise ValueError("tsa needs target, float[B, C]")
        true_B1 = x.target.argmax(1, keepdim=True)
        p_true_B = x.logits.detach().softmax(1).gather(1, true_B1)[:, 0]
        kept_B = p_true_B <= self.threshold(x.progress, x.logits.shape[1])
        scale = len(kept_B) / kept_B.sum().clamp(min=1)
        return (scale * cross_entropy(x.logits, x.target)).where(kept_B, 0)

    def threshold(self, t: float, classes: int) -> float:
        """eta_t: rows whose true label is likelier than that wait."""
        a = {"linear": t, "exp": math.exp(5 * (t - 1)), "log": 1 - math.exp(-5 * t)}[self.schedule]
        return a * (1 - 1 / classes) + 1 / classes
