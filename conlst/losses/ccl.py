"""Contrast by labels where they are trusted, and by complementary labels where they are not."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.contrast import attraction


@losses.register("ccl")
class CCL(Loss):
    r"""Push unsure rows from confident rows of their complementary classes, all in one batch.

        L_b = ( l(h_b) + l(h'_b) ) / 2
        l(v) = - 1 / |P(v)| sum_{u in P(v)} log( e^{v.u / T} / sum_{a in P(v) + N(v)} e^{v.a / T} )
        confident v:  P(v) = { confident u != v : y_u = y_v }
                      N(v) = { confident u : y_u != y_v } + { unsure u : y_v in complement_u }
        unsure v:     P(v) = { the other view of v }
                      N(v) = { confident u : y_u in complement_v }

    Symbols: h, `anchor` float[B, D], and h', `positive` float[B, D], the same texts under other
    dropout masks, brought to length 1 here; v, u, a count through all 2B of them; confident,
    bool[B]; complement, bool[B, C]; y, int64[B] = argmax_c target_bc, the pseudo-labels, target
    float[B, C]; +, union of sets; T, temperature; L, float[B]. An unsure row with nobody to be
    pushed from has loss 0 and gradient 0.

    Paper: Deng et al. 2022, "Boosting Semi-Supervised Learning with Contrastive Complementary
    Labeling", T = .07 as in its code. For unsure rows it is Eq. 6 of CoNLST (Li et al. 2024), with
    the confident rows of the batch in place of K drawn ones.

    Departs: the code divides the sum over positives by the number of columns, so that an unsure
    row, with its one positive, hardly counts, and puts a constant 0 in the place of a NaN. Here the
    mean is over the positives, and no NaN arises. Labelled source rows do not join in. The
    complementary labels of confident rows are not looked at.

    Raises:
        pydantic.ValidationError: temperature is not positive.
        ValueError: the input lacks target, complement, confident or the two views.

    Examples:
        >>> import torch
        >>> views = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
        >>> x = LossInput(
        ...     torch.zeros(3, 2),
        ...     target=torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
        ...     complement=torch.tensor([[False, True], [True, False], [False, True]]),
        ...     confident=torch.tensor([True, True, False]),
        ...     anchor=views,
        ...     positive=views,
        ... )
        >>> CCL(temperature=1.0)(x)
        tensor([0.9698, 1.5171, 1.0721])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target", "complement", "confident", "views"})
    compares_rows: ClassVar[bool] = True
    temperature: float = Field(0.07, gt=0, description="T: the smaller, the more the nearest count")

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None or x.complement is None or x.confident is None:
            raise ValueError(
                "ccl needs target, float[B, C], complement, bool[B, C], and confident, bool[B]"
            )
        if x.anchor is None or x.positive is None:
            raise ValueError("ccl needs anchor and positive, float[B, D]")
        pulls_BB, compared_BB = _masks(x.target.argmax(1), x.complement, x.confident)
        return attraction(x.anchor, x.positive, pulls_BB, compared_BB, self.temperature)


def _masks(label_B: Tensor, complement_BC: Tensor, confident_B: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows pull which, and which are compared at all: bool[B, B] both."""
    itself_BB = torch.eye(len(label_B), dtype=torch.bool, device=label_B.device)
    sure_BB = confident_B[:, None] & confident_B
    pulls_BB = itself_BB | (sure_BB & (label_B[:, None] == label_B))
    pushed_BB = ~confident_B[:, None] & confident_B & complement_BC[:, label_B]
    return pulls_BB, itself_BB | sure_BB | pushed_BB | pushed_BB.T
