"""One learnt uncertainty a language: languages that are hard to learn pull less."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from conlst.arrays import LossInput, Sizes
from conlst.losses.base import Loss, losses
from conlst.losses.cross_entropy import cross_entropy


@losses.register("lou")
class LOU(Loss):
    r"""Divide the cross-entropy of each language by an uncertainty that is learnt with it.

        L_b = e^{-s_l} ( - sum_c target_bc log p_bc ) + s_l / 2,    l = language_b

    Symbols: p = softmax of `logits` float[B, C]; target, float[B, C], rows sum to 1; language,
    int64[B], index into the run's languages; s, float[number of languages], what is learnt, 0 at
    first; L, float[B], in nats, below 0 where a language is learnt well. At the optimum e^{s_l} is
    twice the mean cross-entropy of language l.

    Predictions are read off as usual: s only weighs the languages against one another, so at least
    two must be adapted in one model.

    Paper: Xu et al. 2021, "Boosting Cross-Lingual Transfer via Self-Learning with Uncertainty
    Estimation", LOU, after Kendall et al. 2018 (homoscedastic uncertainty of several tasks).

    Departs: nothing in the formula. All s start at 0, so that training starts with plain
    cross-entropy; the code starts them at random.

    Raises:
        TypeError: it is called without being built.
        ValueError: what was built is given an input without target or language.

    Examples:
        >>> import torch
        >>> x = LossInput(
        ...     torch.tensor([[2.0, 0.0]]), target=torch.eye(2)[:1], language=torch.tensor([1])
        ... )
        >>> LOU().build(Sizes(classes=2, features=4, languages=("en", "sw")))(x).detach()
        tensor([0.1269])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target", "language", "languages"})

    def build(self, sizes: Sizes) -> nn.Module:
        return Homoscedastic(len(sizes.languages))


class Homoscedastic(nn.Module):
    """The uncertainties of the languages, and the loss that they divide."""

    def __init__(self, languages: int) -> None:
        super().__init__()
        self.s = nn.Embedding.from_pretrained(torch.zeros(languages, 1), freeze=False)

    def forward(self, x: LossInput) -> Tensor:
        if x.target is None or x.language is None:
            raise ValueError("lou needs target, float[B, C], and language, int64[B]")
        s_B: Tensor = self.s(x.language)[:, 0]
        return cross_entropy(x.logits, x.target) * (-s_B).exp() + s_B / 2
