"""Keep what the model is sure of: one threshold for every class."""

import torch
from pydantic import Field

from conlst.arrays import Pool, Selection
from conlst.selectors.base import Selector, selectors


@selectors.register("fixed")
class Fixed(Selector):
    r"""Keep the rows whose confidence reaches one threshold.

        keep_n = [ max_c q_nc >= threshold ]

    Symbols: q_nc, `pool.probs_NC` float[N, C], the probability of class c for row n;
    keep_n, bool[N]. A kept row has weight 1 and the one-hot target of argmax_c q_nc.

    Paper: Lee 2013, "Pseudo-Label"; Sohn et al. 2020, "FixMatch", Eq. 4; it is Eq. 14 of CoNLST
    (Li et al. 2024) read with a constant gamma.

    Departs: FixMatch decides anew at every step and averages its loss over kept and dropped rows;
    here the whole pool is decided at once and dropped rows are not trained on. The default .9 is
    the only value the CoNLST paper hints at (the bands of its Table 4); FixMatch uses .95.

    Raises:
        pydantic.ValidationError: the threshold lies outside (0, 1].

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.95, 0.05], [0.40, 0.60], [0.10, 0.90]])
        >>> chosen = Fixed(threshold=0.9)(pool, generator=torch.Generator())
        >>> chosen.index.tolist(), chosen.target_KC.tolist()
        ([0, 2], [[1.0, 0.0], [0.0, 1.0]])
    """

    threshold: float = Field(0.9, gt=0, le=1, description="least confidence that is kept")

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        return Selection.hard(pool, pool.confidence >= self.threshold)
