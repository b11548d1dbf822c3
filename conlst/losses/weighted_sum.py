"""A combinator: several losses at once."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from conlst.arrays import LossInput, Sizes
from conlst.losses.base import Loss, Readout, losses, readout_of

Part = Annotated[Loss, losses]
Built = Callable[[LossInput], Tensor]


@losses.register("weighted_sum")
class WeightedSum(Loss):
    r"""Add up several losses of the same rows, each with its weight.

        L_b = sum_i weights_i L_bi

    Symbols: L_bi, the value of loss i for row b, float[B, number of losses]; L, float[B].

    It needs what its losses need. If one of them reads probabilities in its own way, the sum reads
    them so.

    Paper: the objectives of many systems are such sums: JNPL (Kim et al. 2021) is nl_plus and
    pl_plus, EPT-APT (Ding et al. 2022) is cross_entropy on view and clean row, embedding_push and
    attention_pull.

    Departs: all terms see the same batch and the same views; a term on source rows is the stage's
    `source_loss`. A weight may be negative or 0.

    Raises:
        pydantic.ValidationError: no losses; not one weight a loss; or two losses that each read
            probabilities in their own way.
        TypeError: it is called without being built while one of the losses learns.

    Examples:
        >>> import torch
        >>> x = LossInput(torch.tensor([[2.0, 0.0]]), target=torch.tensor([[0.5, 0.5]]))
        >>> terms = [{"type": "cross_entropy"}, {"type": "distillation", "temperature": 1.0}]
        >>> both = WeightedSum.model_validate({"losses": terms, "weights": [0.3, 0.7]})
        >>> both(x)
        tensor([0.6417])
    """

    losses: list[Part] = Field(min_length=1, description="the losses to add up")
    weights: list[float] | None = Field(
        None, description="how much each counts, in the same order; null: 1 each"
    )

    @property
    def compares_rows(self) -> bool:  # type: ignore[override]
        """Whether one of the losses does."""
        return any(loss.compares_rows for loss in self.losses)

    @model_validator(mode="after")
    def _one_weight_a_loss(self) -> "WeightedSum":
        if self.weights is not None and len(self.weights) != len(self.losses):
            raise ValueError(
                f"weights needs one number a loss: found {len(self.weights)} for "
                f"{len(self.losses)} losses"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_read(self) -> "WeightedSum":
        reading = [loss.name for loss in self.losses if readout_of(loss)]
        if len(reading) > 1:
            raise ValueError(
                f"{' and '.join(reading)} each read probabilities in their own way; "
                "only one such loss can be in a sum"
            )
        return self

    def build(self, sizes: Sizes) -> Built:
        parts = [loss.build(sizes) for loss in self.losses]
        if any(isinstance(part, Readout) for part in parts):
            return ReadSum(parts, self._weights())
        if any(isinstance(part, nn.Module) for part in parts):
            return Sum(parts, self._weights())
        return self

    def __call__(self, x: LossInput) -> Tensor:
        return _sum(self.losses, self._weights(), x)

    def _weights(self) -> list[float]:
        return self.weights or [1.0] * len(self.losses)


class Sum(nn.Module):
    """A sum in which something learns."""

    def __init__(self, parts: Sequence[Built], weights: Sequence[float]) -> None:
        super().__init__()
        self.parts: list[Any] = list(parts)
        self.weights = list(weights)
        self.learning = nn.ModuleList(part for part in parts if isinstance(part, nn.Module))

    def forward(self, x: LossInput) -> Tensor:
        return _sum(self.parts, self.weights, x)


class ReadSum(Sum, Readout):
    """A sum in which one part says how probabilities are read."""

    def probabilities(self, logits_BC: Tensor, features_BD: Tensor) -> Tensor:
        (reader,) = (part for part in self.parts if isinstance(part, Readout))
        return reader.probabilities(logits_BC, features_BD)


def _sum(parts: Sequence[Built], weights: Sequence[float], x: LossInput) -> Tensor:
    terms = [weight * part(x) for part, weight in zip(parts, weights, strict=True)]
    return torch.stack(terms).sum(0)
