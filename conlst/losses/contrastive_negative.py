"""Contrastive negative learning: near to its own second view, far from what it is not."""

from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses
from conlst.losses.contrast import at_least_float32, unit

TINY = 1e-6
"""A literal d+ below it counts as it: the logarithm has no finite slope at 0."""


@losses.register("contrastive_negative")
class ContrastiveNegative(Loss):
    r"""Pull a row to its second view and push it from rows of its complementary class.

        L_b = - log( e^{s+_b / tau} / ( e^{s+_b / tau} + sum_{j in N_b} e^{s_bj / tau} ) )   infonce
        L_b = - log( (d+_b / tau) / ( d+_b + sum_{j in N_b} d_bj / tau ) )                   literal
        L_b = - log( r+_b / ( r+_b + sum_{j in N_b} r_bj ) ),    r = 1 / (1 + d)    inverse_distance
        s+_b = sim(z_b, z'_b),    s_bj = sim(z_b, z_j),    d = -s

    Symbols: z, `anchor` float[B, D]; z', `positive` float[B, D], the same text under another
    dropout mask; z_j, `negatives` float[M, D]; N_b, the row of `negative_mask` bool[B, M]; sim =
    -||x - y||^2 (neg_sq_euclidean), -||x - y|| (neg_euclidean), x.y / (||x|| ||y||) (cosine) or
    x.y (dot), of vectors of length 1 where `normalize` holds; L, float[B]. An anchor without
    negatives has loss 0 and gradient 0.

    Paper: Li et al. 2024, CoNLST, Eq. 6; the similarity after Snell et al. 2017 (squared Euclidean
    distance, negated); e and tau throughout as in Deng et al. 2022 (CCL) and Gao et al. 2021
    (SimCSE). On the unit sphere -d^2 / .1 is cos / .05 up to a constant: SimCSE's temperature.

    Departs: Eq. 6 as printed has no e, no minus sign before the distance and no tau under the first
    term. `literal` keeps all that and is degenerate: its slope in d+ is negative, so that training
    pushes the two views of a text apart. `inverse_distance` is the reading without e that trains
    in the right direction; tau cancels in it. Without `normalize` the default saturates (loss 0,
    no gradient) unless tau is of the order of the mean squared distance.

    Raises:
        pydantic.ValidationError: a form made of distances with a similarity that is none, or
            cosine of vectors that are not to be normalised.
        ValueError: the input lacks the two views, the negatives or their mask.

    Examples:
        >>> import torch
        >>> x = LossInput(
        ...     torch.zeros(2, 3),
        ...     anchor=torch.eye(2),
        ...     positive=torch.eye(2),
        ...     negatives=torch.tensor([[1.0, 1.0], [0.0, 3.0]]),
        ...     negative_mask=torch.tensor([[True, True], [False, False]]),
        ... )
        >>> ContrastiveNegative(tau=1.0)(x)
        tensor([0.5259, 0.0000])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"views", "negatives"})
    form: Literal["infonce", "literal", "inverse_distance"] = Field(
        "infonce", description="how Eq. 6 is read; literal is as printed, and degenerate"
    )
    similarity: Literal["neg_sq_euclidean", "neg_euclidean", "cosine", "dot"] = Field(
        "neg_sq_euclidean", description="sim: the larger, the nearer"
    )
    normalize: bool = Field(True, description="bring contrastive outputs to length 1 first")
    tau: float = Field(0.1, gt=0, description="temperature")

    @model_validator(mode="after")
    def _makes_sense(self) -> "ContrastiveNegative":
        if self.form != "infonce" and not self.similarity.startswith("neg_"):
            raise ValueError(
                f"form {self.form!r} is made of distances, and {self.similarity!r} is none; "
                f"allowed similarities: neg_sq_euclidean, neg_euclidean"
            )
        if self.similarity == "cosine" and not self.normalize:
            raise ValueError("cosine normalises by itself; set normalize: true, or similarity: dot")
        return self

    def __call__(self, x: LossInput) -> Tensor:
        if x.anchor is None or x.positive is None or x.negatives is None or x.negative_mask is None:
            raise ValueError(
                "contrastive_negative needs anchor and positive, float[B, D], "
                "negatives, float[M, D], and negative_mask, bool[B, M]"
            )
        z_BD, positive_BD, z_MD = map(self._scaled, (x.anchor, x.positive, x.negatives))
        near_B = self._similarity(z_BD[:, None], positive_BD[:, None])[:, 0, 0]
        far_BM = self._similarity(z_BD, z_MD)
        loss_B = self._contrast(near_B, far_BM, x.negative_mask)
        return loss_B.where(x.negative_mask.any(1), 0)

    def _scaled(self, z: Tensor) -> Tensor:
        return unit(z) if self.normalize else at_least_float32(z)

    def _similarity(self, x: Tensor, y: Tensor) -> Tensor:
        if not self.similarity.startswith("neg_"):
            return x @ y.mT  # the cosine too: its vectors have length 1
        distance = torch.cdist(x, y)
        return -distance if self.similarity == "neg_euclidean" else -distance.square()

    def _contrast(self, near_B: Tensor, far_BM: Tensor, mask_BM: Tensor) -> Tensor:
        if self.form == "infonce":
            far_BM = far_BM.masked_fill(~mask_BM, -torch.inf)
            terms = torch.cat([near_B[:, None], far_BM], 1) / self.tau
            return terms.logsumexp(1) - near_B / self.tau
        if self.form == "literal":
            d_B, d_BM = (-near_B).clamp(min=TINY), -far_BM
            rest_B = d_BM.masked_fill(~mask_BM, 0).sum(1) / self.tau
            return (d_B + rest_B).log() - (d_B / self.tau).log()
        r_B, r_BM = 1 / (1 - near_B), 1 / (1 - far_BM)
        rest_B = r_BM.masked_fill(~mask_BM, 0).sum(1)
        return (r_B + rest_B).log() - r_B.log()
