"""A combinator: each row goes through several augmenters, one after the other."""

from typing import Annotated, get_args

import torch
from pydantic import Field, model_validator
from torch import Tensor

from conlst.augment.base import Augmenter, Level, augmenters
from conlst.augment.combinator import Combinator


@augmenters.register("compose")
class Compose(Combinator):
    r"""Chain the steps: texts first, then tokens, then states, then features.

        F_0 = { (all n rows, no augmenter) }
        F_i = { (origin[o], chain + c) : (origin, chain) in F_{i-1}, (o, c) in branches_i(m) }

    Symbols: F_i, the branches after i steps, the last of which are the answer; origin, int64[m],
    the rows that go through a chain; o, int64[m'], those among the m that step i sends through c.

    Paper: Li et al. 2024, CoNLST: of its strong views, a text may go through a translator and its
    features through mixup; Cubuk et al. 2020, RandAugment, for chains of augmenters in general.

    Departs: nothing. A step that shares its rows out (`one_of`) splits each branch so far, and the
    steps behind it see each part by itself: rows are mixed among those that came the same way. A
    step prepares for the texts as they are read, so that back-translation belongs before those
    that change them; behind one it has to translate anew in every batch.

    Raises:
        pydantic.ValidationError: no steps; or an order that cannot be run, as a text cannot be
            changed once it is tokens.

    Examples:
        >>> import torch
        >>> chain = Compose.model_validate({"steps": [{"type": "masking"}, {"type": "mixup"}]})
        >>> for origin, parts in chain.branches(3, generator=torch.Generator()):
        ...     print(origin.tolist(), *(part.name for part in parts))
        [0, 1, 2] masking mixup
        >>> Compose.model_validate({"steps": [{"type": "mixup"}, {"type": "masking"}]})
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for Compose
          Value error, steps.1: 'masking' changes tokens, and cannot follow 'mixup', ...
    """

    steps: list[Annotated[Augmenter, augmenters]] = Field(
        min_length=1, description="the augmenters to go through, in order"
    )

    @model_validator(mode="after")
    def _can_be_run(self) -> "Compose":
        before: list[Augmenter] = []
        for place, step in self.parts().items():
            plain = sorted(_plain(step), key=_depth)
            if before and plain and _depth(plain[0]) < _depth(before[-1]):
                raise ValueError(_too_late(place, plain[0], before[-1]))
            before = sorted([*before, *plain], key=_depth)
        return self

    def branches(
        self, n: int, *, generator: torch.Generator
    ) -> list[tuple[Tensor, tuple[Augmenter, ...]]]:
        """Every way through the steps that some row takes."""
        found: list[tuple[Tensor, tuple[Augmenter, ...]]] = [(torch.arange(n), ())]
        for step in self.steps:
            found = [
                (origin[onward], chain + more)
                for origin, chain in found
                for onward, more in step.branches(len(origin), generator=generator)
            ]
        return found


def _plain(step: Augmenter) -> list[Augmenter]:
    """Itself, or all that a row may go through in it."""
    held = [part for part in step.walk() if isinstance(part, Augmenter)]
    return [part for part in held if part.level != "mixed"]


def _depth(part: Augmenter) -> tuple[int, int]:
    """How far a batch has come on its way into the model when the augmenter changes it."""
    return get_args(Level).index(part.level), part.at_layer


def _too_late(place: str, part: Augmenter, earlier: Augmenter) -> str:
    return (
        f"{place}: {part.name!r} changes {part.level}, and cannot follow {earlier.name!r}, which "
        f"changes {earlier.level}; the order is rows, tokens, states by layer, features"
    )
