"""The surest rows of every class, so that no class is crowded out; labels stay once given."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from conlst.arrays import Pool, Selection
from conlst.selectors.base import Selector, selectors
from conlst.selectors.ranks import rank_within
from conlst.selectors.scores import Score, check_threshold, needs_of, score
from conlst.selectors.selections import cut, joined


@selectors.register("topk_per_class")
class TopKPerClass(Selector):
    r"""Keep the k surest rows of each class and language, and as many more every iteration.

        k_l    = max( int(N_l * ratio), 1 )                    or count
        A_lc   = { n : language_n = l, yhat_n = c, n not in F, s_n >= threshold }
        k_lc   = k_l                                           balance: as_found
               = min( k_l, min over c' with A_lc' of |A_lc'| ) balance: smallest
        S      = { n in A_lc : rank of s_n within A_lc < k_lc } united with replay(F)
        F      = rows of any earlier iteration, with the labels they were first given

    Symbols: s_n, the score, float[N], larger for surer rows; yhat_n = argmax_c q_nc, int64[N],
    where q is `pool.probs_NC`, float[N, C]; N_l, rows of language l, those of F among them; rank,
    from 0, equal scores in row order; F, frozen, is the union of `pool.history`. New rows have
    weight 1 and the one-hot target of yhat_n; frozen rows have the target and weight they had.

    A class with fewer rows than k gives what it has. `smallest` makes every class of a language
    give as many as the smallest one that has any row left; a class without any gives none and does
    not hold the others back. replay(F) is all of F; or, per language, a random sample of F as large
    as the language's new rows, if there are so many (equal); or nothing (none). Frozen rows are not
    ranked again in any case. Without `cumulative` F is empty: every iteration starts afresh.
    Without `per_language` all rows count as one language.

    Paper: Xu et al. 2021, "Boosting Cross-Lingual Transfer via Self-Learning with Uncertainty
    Estimation": ratio .08, replay equal, any score; Dong & de Melo 2019, "A Robust Self-Learning
    Framework for Cross-Lingual Text Classification": count 40, replay all, max_prob.

    Departs: nothing in what is ranked and counted. Equal scores fall in row order (Xu et al.: the
    last row first). In Xu et al. a threshold of 0 means none; here null does. Both papers balance
    only where every class has k rows; `smallest` is ours. `passes` serves mc_std alone.

    Raises:
        pydantic.ValidationError: both a ratio and a count, or neither; or a threshold that the
            score can never reach, such as one above 0 for entropy.

    Examples:
        >>> import torch
        >>> from dataclasses import replace
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.3, 0.7]])
        >>> topk, generator = TopKPerClass(count=1), torch.Generator()
        >>> first = topk(pool, generator=generator)
        >>> first.index.tolist()
        [0, 4]
        >>> topk(replace(pool, history=(first,)), generator=generator).index.tolist()
        [0, 1, 3, 4]
    """

    score: Score = Field("max_prob", description="what rows are ranked by, surest first")
    ratio: float | None = Field(
        0.08, gt=0, le=1, description="rows a class gives, as a share of all rows of a language"
    )
    count: int | None = Field(None, ge=1, description="rows a class gives, instead of a ratio")
    per_language: bool = Field(True, description="rank and count within each language")
    threshold: float | None = Field(
        None, description="least score that is kept, in the unit of the score; null for none"
    )
    balance: Literal["as_found", "smallest"] = Field(
        "as_found", description="whether classes give what they have, or as few as the smallest"
    )
    cumulative: bool = Field(True, description="freeze what earlier iterations selected")
    replay: Literal["all", "equal", "none"] = Field(
        "all", description="how many frozen rows are trained on again beside the new ones"
    )
    passes: int = Field(10, ge=2, description="stochastic passes, for mc_std alone")

    @model_validator(mode="before")
    @classmethod
    def _count_instead_of_the_default_ratio(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("count") is not None:
            return {"ratio": None, **values}
        return values

    @model_validator(mode="after")
    def _one_of_two(self) -> "TopKPerClass":
        if (self.ratio is None) == (self.count is None):
            raise ValueError("topk_per_class takes either a ratio or a count; set one to null")
        check_threshold(self.score, self.threshold)
        return self

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """The whole pool; and passes for mc_std."""
        return needs_of(self.score) | {"pool"}

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        language_N = pool.language if self.per_language else torch.zeros_like(pool.language)
        frozen = joined(pool, pool.history if self.cumulative else ())
        new_N = self._new(pool, language_N, frozen.index)
        again = self._again(language_N[frozen.index], language_N[new_N], generator)
        return joined(pool, [cut(frozen, again), Selection.hard(pool, new_N)])

    def _new(self, pool: Pool, language_N: Tensor, frozen_F: Tensor) -> Tensor:
        """bool[N]: the rows that this iteration adds."""
        score_N = score(self.score, pool.passed(self.passes))
        open_N = torch.ones(len(pool), dtype=torch.bool)
        open_N[frozen_F] = False
        if self.threshold is not None:
            open_N &= score_N >= self.threshold
        rows = open_N.nonzero().flatten()
        L, C = len(pool.languages), len(pool.classes)
        cell = (language_N * C + pool.pseudo_label)[rows]
        found_LC = torch.bincount(cell, minlength=L * C).view(L, C)
        quota = self._quota(torch.bincount(language_N, minlength=L), found_LC)[cell // C]
        new_N = torch.zeros_like(open_N)
        new_N[rows[rank_within(cell, score_N[rows]) < quota]] = True
        return new_N

    def _quota(self, size_L: Tensor, found_LC: Tensor) -> Tensor:
        """int64[L]: the most rows that each class of a language may give."""
        if self.count is not None:
            quota_L = torch.full_like(size_L, self.count)
        else:
            quota_L = (size_L.double() * (self.ratio or 0)).long().clamp(min=1)
        if self.balance == "smallest":
            smallest_L = found_LC.masked_fill(found_LC == 0, torch.iinfo(torch.int64).max).amin(1)
            quota_L = torch.minimum(quota_L, smallest_L)
        return quota_L

    def _again(self, frozen_F: Tensor, new_K: Tensor, generator: torch.Generator) -> Tensor:
        """bool[F]: which frozen rows are trained on again, by the languages of frozen and new."""
        if self.replay != "equal":
            return torch.full_like(frozen_F, self.replay == "all", dtype=torch.bool)
        again_F = torch.zeros_like(frozen_F, dtype=torch.bool)
        for language in torch.unique(new_K).tolist():
            there = (frozen_F == language).nonzero().flatten()
            order = torch.randperm(len(there), generator=generator)
            again_F[there[order[: int((new_K == language).sum())]]] = True
        return again_F
