"""Another selector, applied to each language by itself."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field

from conlst.arrays import Pool, Selection, Sizes
from conlst.selectors.base import Selector, selectors
from conlst.selectors.built import Built, Inner
from conlst.selectors.selections import joined


@selectors.register("per_language")
class PerLanguage(Selector):
    r"""Apply a selector to the rows of each language alone and join what it keeps.

        S = union over l of S_l,    S_l = selector( { n : language_n = l } )

    Symbols: language_n, int64[N], the language of row n; S, `Selection` of K rows out of N:
    index int64[K], target float[K, C], weight float[K].

    A language whose model is less sure then has thresholds and quotas of its own, and is not
    crowded out of a joint pool by the languages nearest to the source.

    Paper: per-language selection as in Xu et al. 2021 (SL-LEU/LOU: a share per class and language);
    for CoNLST (Li et al. 2024) it is the per-language threshold of a joint pool, which the paper
    names as future work.

    Departs: any selector may stand inside. Languages are visited in the order of `pool.languages`
    and draw from the same generator one after the other; a language without rows is passed over.
    Online, each language has a selector of its own, which remembers what it saw of that language;
    one that counts the rows of the pool it has not yet seen counts all other languages' too.

    Raises:
        pydantic.ValidationError: no selector is given, or its own parameters are wrong.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> probs = [[0.95, 0.05], [0.60, 0.40], [0.45, 0.55], [0.08, 0.92]]
        >>> pool = pool_of(probs, languages=["sw", "th", "sw", "th"])
        >>> each = PerLanguage.model_validate({"selector": {"type": "fixed", "threshold": 0.9}})
        >>> each(pool, generator=torch.Generator()).index.tolist()
        [0, 3]
    """

    selector: Annotated[Selector, selectors] = Field(description="what selects within one language")

    def build(self, sizes: Sizes) -> Built:
        return Built(self.combined, [self.selector.build(sizes) for _ in sizes.languages])

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        return self.combined([self.selector] * len(pool.languages), pool, generator=generator)

    def combined(
        self, inner: Sequence[Inner], pool: Pool, *, generator: torch.Generator
    ) -> Selection:
        """The formula, over one selector a language, which may have been built."""
        parts = []
        for language in torch.unique(pool.language).tolist():
            rows = (pool.language == language).nonzero().flatten()
            part = inner[language](pool.take(rows), generator=generator)
            parts.append(Selection(rows[part.index], part.target_KC, part.weight))
        return joined(pool, parts)
