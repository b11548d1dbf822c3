"""Another selector's rows, with soft labels: what the model says, sharpened."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field

from conlst.arrays import Pool, Selection, Sizes
from conlst.selectors.base import Selector, selectors
from conlst.selectors.built import Built, Inner


@selectors.register("soft")
class Soft(Selector):
    r"""Keep a selector's rows and weights, and give each row the model's sharpened distribution.

        y_nc = q_nc^(1/T) / sum_c' q_nc'^(1/T)

    Symbols: q_nc, `pool.probs_NC` float[N, C]; y_nc, the target, float[N, C]; T, `temperature`: 1
    is the plain distribution, towards 0 it becomes the hard label, above 1 it is flattened.

    Paper: Berthelot et al. 2019, "MixMatch", Eq. 7 (T .5); UDA (Xie et al. 2020) sharpens its
    targets in the same way (T .4).

    Departs: MixMatch sharpens the mean over several augmented views, here it is one clean view. The
    labels are this iteration's own: a selector inside that freezes its labels, such as
    `topk_per_class`, freezes rows alone here.

    Raises:
        pydantic.ValidationError: no selector is given, or the temperature is out of bounds.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.90, 0.10], [0.60, 0.40]])
        >>> soft = Soft.model_validate({"selector": {"type": "fixed", "threshold": 0.8}})
        >>> soft(pool, generator=torch.Generator()).target_KC
        tensor([[0.9878, 0.0122]])
    """

    selector: Annotated[Selector, selectors] = Field(description="whose rows and weights are kept")
    temperature: float = Field(
        0.5, ge=0.01, le=100, description="T: below 1 sharpens, 1 is plain, above 1 flattens"
    )

    def build(self, sizes: Sizes) -> Built:
        return Built(self.combined, [self.selector.build(sizes)])

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        return self.combined([self.selector], pool, generator=generator)

    def combined(
        self, inner: Sequence[Inner], pool: Pool, *, generator: torch.Generator
    ) -> Selection:
        """The formula, over a selector that may have been built."""
        kept = inner[0](pool, generator=generator)
        target_KC = (pool.probs_NC[kept.index].log() / self.temperature).softmax(1)
        return Selection(kept.index, target_KC, kept.weight)
