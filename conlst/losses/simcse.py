"""A text is nearer to itself under another dropout mask than to the other texts of its batch."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.contrast import unit


@losses.register("simcse")
class SimCSE(Loss):
    r"""Pull a row to its second view and push it from the second views of all other rows.

        L_b = - log( e^{cos(h_b, h'_b) / T} / sum_j e^{cos(h_b, h'_j) / T} )

    Symbols: h, `anchor` float[B, D]; h', `positive` float[B, D], the same texts under other dropout
    masks; T, temperature; j counts through the rows of the batch; L, float[B]. A batch of one row
    has nobody to push from: loss 0 and gradient 0.

    Two questions users keep asking. *Is the dropout mask of the two copies the same?* No: both
    copies go through the encoder in one batch, and dropout draws a mask for each of its rows. *Why
    is the loss near 0 at once?* At T = .05 a few unlike texts are told apart from the start; it is
    normal in small batches, and larger ones make the task harder.

    Paper: Gao et al. 2021, "SimCSE", Eq. 4 (unsupervised), T = .05.

    Departs: no hard negatives are appended (`contrastive_negative` has them). Labels play no part,
    so rows of the same class, or translations of the same text, push one another away.

    Raises:
        pydantic.ValidationError: temperature is not positive.
        ValueError: the input lacks the two views.

    Examples:
        >>> import torch
        >>> x = LossInput(
        ...     torch.zeros(2, 3),
        ...     anchor=torch.eye(2),
        ...     positive=torch.tensor([[3.0, 4.0], [0.0, 1.0]]),
        ... )
        >>> SimCSE(temperature=1.0)(x)
        tensor([0.4375, 0.5981])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"views"})
    compares_rows: ClassVar[bool] = True
    temperature: float = Field(0.05, gt=0, description="T: the smaller, the more the nearest count")

    def __call__(self, x: LossInput) -> Tensor:
        if x.anchor is None or x.positive is None:
            raise ValueError("simcse needs anchor and positive, float[B, D]")
        similarity_BB = unit(x.anchor) @ unit(x.positive).T / self.temperature
        return -similarity_BB.log_softmax(1).diagonal()
