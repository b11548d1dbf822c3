"""A combinator: each row goes through every one of several augmenters."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from conlst.augment.base import Augmenter, augmenters
from conlst.augment.combinator import Combinator


@augmenters.register("union")
class Union(Combinator):
    r"""Make all views of each row: one by every augmenter.

        branches = branches_1 ++ ... ++ branches_k,    branches_i = those of choices_i for all rows

    Symbols: a branch, (origin, chain): origin int64[m], the rows that go through the chain. Of n
    rows there are k n views where the k choices make one view each, at k times the cost of one.

    Paper: Li et al. 2024, CoNLST: "either back-translation, random masking or mixup", read as all
    three of them; `one_of` reads it as one of them for each row.

    Departs: nothing beyond that reading. The loss takes the mean over all views, so that each
    choice counts by the views it makes. Combinators may be nested.

    Raises:
        pydantic.ValidationError: no choices, or the parameters of one are wrong.

    Examples:
        >>> import torch
        >>> all_of = Union.model_validate({"choices": [{"type": "masking"}, {"type": "mixup"}]})
        >>> for origin, chain in all_of.branches(3, generator=torch.Generator()):
        ...     print(origin.tolist(), *(part.name for part in chain))
        [0, 1, 2] masking
        [0, 1, 2] mixup
    """

    choices: list[Annotated[Augmenter, augmenters]] = Field(
        min_length=1, description="the augmenters that each make a view"
    )

    def branches(
        self, n: int, *, generator: torch.Generator
    ) -> list[tuple[Tensor, tuple[Augmenter, ...]]]:
        """The branches of every choice, each for all of the `n` rows."""
        return [
            branch
            for augmenter in self.choices
            for branch in augmenter.branches(n, generator=generator)
        ]
