"""Strong view by mixing: a row's features, or the states of its tokens, with those of another."""

import math
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Points
from conlst.augment.base import Augmenter, Level, augmenters
from conlst.transfer import on


@augmenters.register("mixup")
class Mixup(Augmenter):
    r"""Mix each row with another row, features (or states) and targets alike.

        h'_b = lambda h_b + (1 - lambda) h_partner(b),    lambda ~ Beta(alpha, alpha)
        y'_b = lambda y_b + (1 - lambda) y_partner(b)
        partner(b) = pi(b), pi a permutation of the batch                             target
                   = the source row that stands beside b                              source
                   ~ Uniform{ c : language_c != language_b }, b if there is none      other_language

    Symbols: h_b, float[B, D], sentence features just before the classifier (`where: pooled`), or
    float[B, T, D], the embeddings or a layer's states of T tokens; y_b, float[B, C], targets;
    lambda, one number a batch, or float[B] with `per_pair`; max(lambda, 1 - lambda) with `bias`.

    Paper: Zhang et al. 2018, "mixup"; Li et al. 2024, CoNLST, Eq. 9-11, alpha = 4 (as DivideMix,
    Li et al. 2020). Beta(4, 4) has mean .5 and 86% of its mass in [.25, .75]: strong mixing. Chen
    et al. 2020, MixText, for states (TMix: layer 7, 9 or 12, alpha 16); Berthelot et al. 2019,
    MixMatch, for `bias`.

    Departs: the loss is the cross-entropy with the mixed target, which equals lambda CE(y_b) +
    (1 - lambda) CE(y_partner(b)), as cross-entropy is linear in its target. Gradients flow into
    both rows (USB's mixup runs under no_grad, so its encoder learns nothing). A row may be its own
    partner, and a batch of one row stays as it is. Mixed states are attended to wherever either
    row has a token (MixText's code keeps the first row's mask and loses the end of a longer
    partner); where only one has, the other's padding is mixed in, as in TMix. A place is special
    (class token, separator, padding) only where it is so in both rows.

    Raises:
        pydantic.ValidationError: alpha is not positive, or where, partner are none of those.
        ValueError: the partners are source rows, and there are none.

    Examples:
        >>> import torch
        >>> h, y = torch.tensor([[0.0, 8.0], [8.0, 0.0]]), torch.eye(2)
        >>> points = Points(h, y, torch.zeros(2))
        >>> mixed = Mixup().features(points, generator=torch.Generator().manual_seed(1))
        >>> mixed.values
        tensor([[2.2847, 5.7153],
                [5.7153, 2.2847]])
        >>> mixed.target_BC
        tensor([[0.7144, 0.2856],
                [0.2856, 0.7144]])
        >>> Mixup(where="embeddings").level, Mixup(where=9).at_layer
        ('states', 9)
    """

    alpha: float = Field(4.0, gt=0, description="Beta(alpha, alpha): the larger, the nearer to 1/2")
    where: Literal["pooled", "embeddings"] | Annotated[int, Field(ge=1)] = Field(
        "pooled", description="what is mixed: sentence features, embeddings, or a layer's states"
    )
    partner: Literal["target", "source", "other_language"] = Field(
        "target",
        description="a row of the same batch, a labelled source row, or one of the batch "
        "in another language",
    )
    per_pair: bool = Field(False, description="draw lambda for each pair, not once a batch")
    bias: bool = Field(False, description="let the row itself outweigh its partner")

    @property
    def level(self) -> Level:  # type: ignore[override]
        return "features" if self.where == "pooled" else "states"

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Source rows to mix with, or several languages."""
        asked = {"source": "source", "other_language": "languages"}
        return frozenset({asked[self.partner]} if self.partner in asked else ())

    @property
    def at_layer(self) -> int:
        return self.where if isinstance(self.where, int) else 0

    def features(self, points: Points, *, generator: torch.Generator) -> Points:
        """The mixed features, with their gradient, and the mixed targets."""
        return self._mixed(points, self._partners(points, generator), generator)

    def states(self, points: Points, *, generator: torch.Generator) -> Points:
        """The mixed states and targets; attended to is where either row has a token."""
        other = self._partners(points, generator)
        mixed = self._mixed(points, other, generator)
        if points.attention_BT is not None and other.attention_BT is not None:
            either_BT = torch.maximum(points.attention_BT, other.attention_BT)
            mixed = replace(mixed, attention_BT=either_BT)
        if points.special_BT is not None and other.special_BT is not None:
            mixed = replace(mixed, special_BT=points.special_BT & other.special_BT)
        return mixed

    def _mixed(self, points: Points, other: Points, generator: torch.Generator) -> Points:
        lambda_B = _symmetric_beta(self.alpha, len(points) if self.per_pair else 1, generator)
        if self.bias:
            lambda_B = torch.maximum(lambda_B, 1 - lambda_B)

        def mix(x: Tensor, y: Tensor) -> Tensor:
            share = on(x.device, lambda_B.to(x.dtype)).reshape(-1, *[1] * (x.dim() - 1))
            return share * x + (1 - share) * y

        values = mix(points.values, other.values)
        return replace(points, values=values, target_BC=mix(points.target_BC, other.target_BC))

    def _partners(self, points: Points, generator: torch.Generator) -> Points:
        """The rows to mix with: row b of the answer is the partner of row b."""
        if self.partner == "target":
            return _taken(points, torch.randperm(len(points), generator=generator))
        if self.partner == "other_language":
            return _taken(points, _of_other_languages(points.language.cpu(), generator))
        if points.source is None:
            raise ValueError("mixup: the partners are source rows, and none were handed in")
        return points.source


def _taken(points: Points, index_B: Tensor) -> Points:
    index_B = on(points.values.device, index_B)
    attention_BT, special_BT = points.attention_BT, points.special_BT
    return replace(
        points,
        values=points.values[index_B],
        target_BC=points.target_BC[index_B],
        attention_BT=None if attention_BT is None else attention_BT[index_B],
        special_BT=None if special_BT is None else special_BT[index_B],
    )


def _of_other_languages(language_B: Tensor, generator: torch.Generator) -> Tensor:
    """A random row of another language for each row, or the row itself where there is none."""
    B = len(language_B)
    other_BB = language_B[:, None] != language_B
    u_BB = torch.rand(B, B, generator=generator).masked_fill(~other_BB, -1)
    return u_BB.argmax(1).where(other_BB.any(1), torch.arange(B))


def _symmetric_beta(alpha: float, n: int, generator: torch.Generator) -> Tensor:
    """Draw n values of Beta(alpha, alpha), exactly for every alpha > 0, float64[n].

    torch.distributions takes no generator. If t is Student-t with 2 alpha degrees of freedom, then
    (1 + t / sqrt(2 alpha + t^2)) / 2 is Beta(alpha, alpha), and t = sqrt(2 alpha (w^-1 - 1)) cos v
    with w = u^(1 / alpha) and v uniform on the circle (Bailey 1994, "Polar generation of random
    variates with the t-distribution"). Multiplied out, nothing overflows where w vanishes.
    """
    u, v = torch.rand(2, n, generator=generator, dtype=torch.float64)
    w, cos = u ** (1 / alpha), torch.cos(2 * math.pi * v)
    r2 = (1 - w) * cos**2
    half: Tensor = cos.sign() * (r2 / (w + r2)).sqrt() / 2
    return 0.5 + half
