"""Strong view by noise: every token's embedding is moved a little."""

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Points
from conlst.augment.base import Augmenter, Level, augmenters
from conlst.transfer import on


@augmenters.register("embedding_noise")
class EmbeddingNoise(Augmenter):
    r"""Add small random noise to the embeddings of all tokens, before positions are added.

        e'_bt = e_bt + a_bt delta_bt
        delta_btd ~ U(-eps, eps)                                             uniform
        delta_btd ~ N(0, eps^2)                                              normal
        delta_bt  = eps u^{1/D} g / ||g||,    g ~ N(0, 1)^D,  u ~ U[0, 1)    ball

    Symbols: e_bt, float[B, T, D], token embeddings; a_bt, int64[B, T], 1 at tokens, 0 at padding;
    delta_bt, float[B, T, D], of which `ball` is uniform in the ball of radius eps: no token moves
    further than eps, while the other two move it about eps sqrt(D / 3) and eps sqrt(D).

    Paper: Huang et al. 2021 (RS-RP): robustness to all ||delta_bt|| <= eps by random perturbation,
    with neither eps nor the distribution given; Aghajanyan et al. 2020 (R3F): uniform or normal,
    eps 1e-5.

    Departs: class token and separators are moved like any token, as R3F's code does. R3F cuts the
    gradient to the embedding matrix in the noised pass; here it is cut where `detach` holds. In
    half precision a noise of 1e-5 is rounded away: take a larger eps there.

    Raises:
        pydantic.ValidationError: eps is not positive, or an unknown distribution.

    Examples:
        >>> import torch
        >>> from conlst.testing import random_points
        >>> points = random_points(2, T=4, D=1)
        >>> noise = EmbeddingNoise(distribution="ball", eps=0.5)
        >>> moved = noise.states(points, generator=torch.Generator().manual_seed(0))
        >>> (moved.values - points.values)[..., 0]
        tensor([[ 0.3488, -0.4000, -0.0805,  0.1411],
                [-0.3408, -0.4576,  0.1985,  0.0000]])
    """

    level: ClassVar[Level] = "states"
    distribution: Literal["uniform", "normal", "ball"] = Field(
        "uniform", description="what delta is drawn from"
    )
    eps: float = Field(1e-5, gt=0, description="how far: bound, deviation or radius")
    detach: bool = Field(
        False, description="let the noised pass teach the layers but not the embedding matrix"
    )

    def states(self, points: Points, *, generator: torch.Generator) -> Points:
        """The moved embeddings; padding, targets and the points handed in stay as they are."""
        values = points.values.detach() if self.detach else points.values
        delta = on(values.device, self._delta(values.shape, generator).to(values.dtype))
        if points.attention_BT is not None:
            delta = delta * (points.attention_BT != 0)[..., None]
        return replace(points, values=values + delta)

    def _delta(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """float[B, T, D], padding not yet spared."""
        if self.distribution == "uniform":
            return self.eps * (2 * torch.rand(shape, generator=generator) - 1)
        g_BTD = torch.randn(shape, generator=generator)
        if self.distribution == "normal":
            return self.eps * g_BTD
        u_BT1 = torch.rand((*shape[:-1], 1), generator=generator)
        return self.eps * u_BT1 ** (1 / shape[-1]) * torch.nn.functional.normalize(g_BTD, dim=-1)
