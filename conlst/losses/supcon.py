"""Rows of one class are nearer to one another than to the other rows of their batch."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.contrast import attraction


@losses.register("supcon")
class SupCon(Loss):
    r"""Pull a row to all rows of its class, in both views, and push it from the others.

        L_b = ( l(h_b) + l(h'_b) ) / 2
        l(v) = - 1 / |P(v)| sum_{u in P(v)} log( e^{v.u / T} / sum_{a != v} e^{v.a / T} )
        P(v) = { u != v : y_u = y_v }

    Symbols: h, `anchor` float[B, D], and h', `positive` float[B, D], the same texts under other
    dropout masks, brought to length 1 here; v, u, a count through all 2B of them; y, int64[B] =
    argmax_c target_bc, target float[B, C]; T, temperature; L, float[B].

    Paper: Khosla et al. 2020, "Supervised Contrastive Learning", L_out, T = .07 as in its code.

    Departs: the factor T / T_base is left out, a mere scale (1 by default); a weight does the same.
    The two views of a row share its value, so that the mean over rows is the paper's mean over
    views. A row always has its other view as a positive, so that |P| is never 0 (early versions of
    the code gave NaN). A mixed target counts as its largest class.

    Raises:
        pydantic.ValidationError: temperature is not positive.
        ValueError: the input lacks target or the two views.

    Examples:
        >>> import torch
        >>> views = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
        >>> y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> x = LossInput(torch.zeros(3, 2), target=y, anchor=views, positive=views)
        >>> SupCon(temperature=1.0)(x)
        tensor([1.3492, 1.5141, 1.1238])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target", "views"})
    compares_rows: ClassVar[bool] = True
    temperature: float = Field(0.07, gt=0, description="T: the smaller, the more the nearest count")

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None or x.anchor is None or x.positive is None:
            raise ValueError(
                "supcon needs target, float[B, C], and anchor and positive, float[B, D]"
            )
        label_B = x.target.argmax(1)
        same_BB = label_B[:, None] == label_B
        return attraction(x.anchor, x.positive, same_BB, torch.ones_like(same_BB), self.temperature)
