"""Another selector, on probabilities whose classes are as frequent as on the source."""

from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from conlst.arrays import Pool, Selection
from conlst.selectors.alignment import aligned
from conlst.selectors.base import Selector, selectors


@selectors.register("aligned")
class Aligned(Selector):
    r"""Apply a selector to predictions that are scaled, per language, to the source's mean.

        S      = selector( q~ )
        q~_nc  = r_nc / sum_c' r_nc',    r_nc = q_nc (s(c) + e) / (p_l(c) + e),  l = language_n
        s(c)   = mean_j s_jc,            p_l(c) = mean of q_nc over the rows n of language l

    Symbols: q_nc, `pool.probs_NC` float[N, C]; s_jc, `pool.source.probs_SC` float[S, C];
    language_n, int64[N]; e = 1e-6; S, `Selection` of K rows out of N, whose labels are by q~: a row
    may be taken for another class than the likeliest.

    A model often favours some class in another language, and what it hardly names is hardly
    selected: `topk_per_class` then takes few rows of it, however large the share it asks for.

    Paper: Berthelot et al. 2020, "ReMixMatch: Semi-Supervised Learning with Distribution Alignment
    and Augmentation Anchoring", section 3.2.1, and 2022, "AdaMatch", which scales to the mean
    prediction on the source.

    Departs: any selector may stand inside, and sees the whole pool; plain means over the pool stand
    in for the running ones, one mean a language. What a selector inside reads beside probabilities
    (features, passes, logits) is not scaled. ReMixMatch scales to the frequencies of the labels.

    Alignment takes for granted that target classes are as frequent as those of the source.

    Raises:
        pydantic.ValidationError: no selector is given, or its own parameters are wrong.
        ValueError: the pool has no source rows.

    Examples:
        >>> import torch
        >>> from conlst.arrays import SourceView
        >>> from conlst.testing import pool_of
        >>> seen = torch.tensor([[0.8, 0.2], [0.2, 0.8]])
        >>> source = SourceView(seen, torch.zeros(2, 1), torch.tensor([0, 1]))
        >>> pool = pool_of([[0.95, 0.05], [0.9, 0.1], [0.55, 0.45]], source=source)
        >>> one_each = {"type": "topk_per_class", "count": 1}
        >>> chosen = Aligned(selector=one_each)(pool, generator=torch.Generator())
        >>> chosen.index.tolist(), chosen.target_KC.tolist()
        ([0, 2], [[1.0, 0.0], [0.0, 1.0]])
    """

    needs: ClassVar[frozenset[str]] = frozenset({"source", "pool"})
    selector: Annotated[Selector, selectors] = Field(description="what selects, by aligned labels")

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        if pool.source is None:
            raise ValueError("aligned needs pool.source, labelled rows as the model sees them")
        wanted_C = pool.source.probs_SC.mean(0, dtype=torch.float64)
        probs_NC = pool.probs_NC.clone()
        for language in torch.unique(pool.language).tolist():
            rows = pool.language == language
            seen_C = pool.probs_NC[rows].mean(0, dtype=torch.float64)
            probs_NC[rows] = aligned(pool.probs_NC[rows], wanted_C, seen_C)
        return self.selector(replace(pool, probs_NC=probs_NC), generator=generator)
