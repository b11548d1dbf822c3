"""A combinator: each row goes through one of several augmenters."""

from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor

from conlst.augment.base import Augmenter, augmenters
from conlst.augment.combinator import Combinator


@augmenters.register("one_of")
class OneOf(Combinator):
    r"""Send each row through one augmenter, drawn uniformly or by weight.

        choice_b ~ Categorical(p),    p_i = weights_i / sum_j weights_j    (1 / len(choices) each)

    Symbols: choice_b, int64[n], one independent draw for each of the n rows of a batch.

    Paper: Li et al. 2024, CoNLST: "either back-translation, random masking or mixup", read as one
    of them for each row.

    Departs: the paper does not say with which probabilities; they are equal unless `weights` are
    given. Combinators may be nested: the rows that drew one are then shared out by it. Rows that
    drew mixup are mixed among themselves. A choice that no row drew has no branch.

    Raises:
        pydantic.ValidationError: no choices; or weights that are not one a choice, or none above 0.

    Examples:
        >>> import torch
        >>> either = OneOf.model_validate({"choices": [{"type": "masking"}, {"type": "mixup"}]})
        >>> for origin, chain in either.branches(6, generator=torch.Generator().manual_seed(0)):
        ...     print(origin.tolist(), *(part.name for part in chain))
        [1, 2, 3] masking
        [0, 4, 5] mixup
    """

    choices: list[Annotated[Augmenter, augmenters]] = Field(
        min_length=1, description="the augmenters to choose from"
    )
    weights: list[Annotated[float, Field(ge=0)]] | None = Field(
        None, description="how often each is chosen, in relation to the others; null: all equally"
    )

    @model_validator(mode="after")
    def _one_weight_a_choice(self) -> "OneOf":
        if self.weights is None:
            return self
        if len(self.weights) != len(self.choices):
            raise ValueError(
                f"weights needs one number a choice: found {len(self.weights)} for "
                f"{len(self.choices)} choices"
            )
        if not sum(self.weights) > 0:
            raise ValueError("weights needs a number above 0, or no row could choose")
        return self

    def branches(
        self, n: int, *, generator: torch.Generator
    ) -> list[tuple[Tensor, tuple[Augmenter, ...]]]:
        """Which of the `n` rows drew which choice; together the branches hold each row once."""
        weights = torch.tensor(self.weights or [1.0] * len(self.choices), dtype=torch.float64)
        choice_n = torch.multinomial(weights.expand(max(n, 1), -1), 1, generator=generator)[:n, 0]
        found: list[tuple[Tensor, tuple[Augmenter, ...]]] = []
        for i, augmenter in enumerate(self.choices):
            rows = (choice_n == i).nonzero().flatten()
            if len(rows):
                inner = augmenter.branches(len(rows), generator=generator)
                found += [(rows[origin], chain) for origin, chain in inner]
        return found
