"""Strong view by mixing: a row's features and target with those of another row."""

import math
from dataclasses import replace
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Points
from conlst.augment.base import Augmenter, Level, augmenters


@augmenters.register("mixup")
class Mixup(Augmenter):
    r"""Mix each row with another row of the batch, features and targets alike.

        h'_b = lambda h_b + (1 - lambda) h_partner(b),    lambda ~ Beta(alpha, alpha)
        y'_b = lambda y_b + (1 - lambda) y_partner(b),    partner = a permutation of the batch

    Symbols: h_b, float[B, D], sentence features just before the classifier; y_b, float[B, C],
    targets; lambda, one number a batch, or float[B, 1] with `per_pair`.

    Paper: Zhang et al. 2018, "mixup"; Li et al. 2024, CoNLST, Eq. 9-11, alpha = 4 (as DivideMix,
    Li et al. 2020). Beta(4, 4) has mean .5 and 86% of its mass in [.25, .75]: strong mixing.

    Departs: the loss is the cross-entropy with the mixed target, which equals lambda CE(y_b) +
    (1 - lambda) CE(y_partner(b)), as cross-entropy is linear in its target. Gradients flow into
    both rows (USB's mixup runs under no_grad, so its encoder learns nothing). A row may be its own
    partner, and a batch of one row stays as it is.

    Raises:
        pydantic.ValidationError: alpha is not positive.

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
    """

    level: ClassVar[Level] = "features"
    alpha: float = Field(4.0, gt=0, description="Beta(alpha, alpha): the larger, the nearer to 1/2")
    per_pair: bool = Field(False, description="draw lambda for each pair, not once a batch")

    def features(self, points: Points, *, generator: torch.Generator) -> Points:
        """The mixed features, with their gradient, and the mixed targets."""
        B = len(points)
        partner_B = torch.randperm(B, generator=generator).to(points.values.device)
        lambda_B1 = _symmetric_beta(self.alpha, B if self.per_pair else 1, generator)[:, None]

        def mix(x: Tensor) -> Tensor:
            share = lambda_B1.to(x.device, x.dtype)
            return share * x + (1 - share) * x[partner_B]

        return replace(points, values=mix(points.values), target_BC=mix(points.target_BC))


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
