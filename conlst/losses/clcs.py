"""Complementary learning on source rows: the term that keeps classifier and encoder together."""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.negative import log_not


@losses.register("clcs")
class CLCS(Loss):
    r"""Negative learning on labelled source rows.

        L_b = sign * sum_{k in K_b} - log clamp(1 - p_bk, 1e-5, 1),    p_b = softmax(logits_b)
        K_b = complement_b (complementary) | { y_b } (true) | { k : k != y_b } (all_complementary)

    Symbols: logits, float[B, C]; complement, bool[B, C], the drawn ybar_b != y_b; y_b =
    argmax_c target_bc, the gold label, target float[B, C]; sign = 1 (positive) or -1 (printed);
    L, float[B], in nats.

    Paper: Li et al. 2024, CoNLST, Eq. 7 and 8 (weight .001).

    Departs: Eq. 7 as printed is -(1/N) sum L_NL(f(x), y): a minus sign before a loss that already
    has one, and the true label where negative learning wants a complementary one. The four
    readings, each trained on one toy item:

    * positive, complementary (default): p_y = .986; what the text describes;
    * printed, complementary: p_y = 0, it learns the wrong classes;
    * printed, true (the literal Eq. 7): p_y = 1, but log(1 - p_y) has no lower bound; only the
      clamp of negative learning ends it at -11.5;
    * positive, true: p_y = .007, it unlearns the label.

    all_complementary sums over every wrong class instead of drawing one: the same minimum, with
    less noise and a loss up to C - 1 times as large.

    Raises:
        ValueError: the input lacks target or complement.

    Examples:
        >>> import torch
        >>> x = LossInput(
        ...     torch.tensor([[2.0, 1.0, 0.0]]),
        ...     target=torch.tensor([[1.0, 0.0, 0.0]]),
        ...     complement=torch.tensor([[False, False, True]]),
        ... )
        >>> CLCS()(x), CLCS(label="all_complementary")(x), CLCS(sign="printed", label="true")(x)
        (tensor([0.0943]), tensor([0.3750]), tensor([-1.0943]))
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target", "complement"})
    sign: Literal["positive", "printed"] = Field(
        "positive", description="positive: minimise -log(1 - p); printed: the sign of Eq. 7"
    )
    label: Literal["complementary", "true", "all_complementary"] = Field(
        "complementary", description="which classes' probabilities are pushed"
    )

    def __call__(self, x: LossInput) -> Tensor:
        if x.target is None or x.complement is None:
            raise ValueError("clcs needs target, float[B, C], and complement, bool[B, C]")
        pushed_BC = self._pushed(x.target, x.complement)
        loss_B = -log_not(x.logits).masked_fill(~pushed_BC, 0).sum(1)
        return loss_B if self.sign == "positive" else -loss_B

    def _pushed(self, target: Tensor, complement: Tensor) -> Tensor:
        if self.label == "complementary":
            return complement
        true_BC = target.new_zeros(target.shape).scatter(1, target.argmax(1, keepdim=True), 1) > 0
        return true_BC if self.label == "true" else ~true_BC
