"""Keep what the model hardly confuses with anything else."""

import torch
from pydantic import Field

from conlst.arrays import Pool, Selection
from conlst.selectors import Selector, selectors


@selectors.register("margin")
class Margin(Selector):
    r"""Keep the rows whose two largest probabilities lie far apart.

        keep_n = [ q_n(1) - q_n(2) >= least ]

    Symbols: q_n(1) >= q_n(2), the two largest of `pool.probs_NC` float[N, C]; keep_n, bool[N].

    Paper: Scheffer et al. 2001, "Active Hidden Markov Models", who have the others labelled.

    Raises:
        pydantic.ValidationError: `least` lies outside [0, 1].

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.9, 0.1, 0.0], [0.5, 0.4, 0.1]])
        >>> Margin(least=0.2)(pool, generator=torch.Generator()).index.tolist()
        [0]
    """

    least: float = Field(0.2, ge=0, le=1, description="least distance that is kept")

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        top_N2 = pool.probs_NC.topk(2, dim=1).values
        return Selection.hard(pool, top_N2[:, 0] - top_N2[:, 1] >= self.least)
