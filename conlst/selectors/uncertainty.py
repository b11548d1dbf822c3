"""Keep what the model is sure of, by any measure of sureness: a threshold or a share."""

import torch
from pydantic import Field, model_validator
from torch import Tensor

from conlst.arrays import Pool, Selection
from conlst.selectors.base import Selector, selectors
from conlst.selectors.ranks import rank_within
from conlst.selectors.scores import Score, check_threshold, needs_of, score


@selectors.register("uncertainty")
class Uncertainty(Selector):
    r"""Keep the rows whose score reaches a threshold, or the share of rows that scores best.

        keep_n = [ s_n >= threshold ]                          with a threshold
        keep_n = [ rank of s_n < max( int(N * share), 1 ) ]    with a share

    Symbols: s_n, float[N], larger for surer rows; rank, int64[N], from 0 for the largest, equal
    scores in row order; N rows of the pool; keep_n, bool[N]. A kept row has weight 1 and the
    one-hot target of argmax_c q_nc, where q is `pool.probs_NC`, float[N, C]. A threshold counts in
    the unit of its score, and what the literature calls an uncertainty has a minus sign:

        max_prob    max_c q_nc                                         1/C .. 1
        entropy     sum_c q_nc ln q_nc / ln C                          -1 .. 0
        margin      largest minus second largest q_nc                  0 .. 1
        mc_std      - std of the predicted class over P passes         about -.5 .. 0
        vacuity     - C / S_n            e = ELU(logit) + 1            -1 .. 0
        dissonance  - conflict of        S = sum_c (e + 1)             -1 .. 0
        custom      vacuity / 10 + dissonance                          -1.1 .. 0

    Paper: the criteria of Xu et al. 2021 (SL-LEU/LOU/EVI); entropy and margin from active learning
    (Settles 2009, section 3.1); mc_std is the uncertainty of UPS (Rizve et al. 2021); vacuity and
    dissonance are those of evidential networks (Sensoy et al. 2018; Zhao et al. 2020).

    Departs: Xu et al. take the best rows of each class, which is `topk_per_class`; here one
    threshold or share holds for all. The evidence is read off the classifier's logits whatever loss
    trained them; an evidential loss makes it mean what it says. `passes` serves mc_std alone.

    Raises:
        pydantic.ValidationError: not exactly one of threshold and share; or a threshold that the
            score can never reach, such as one above 0 for entropy.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.95, 0.05], [0.60, 0.40], [0.20, 0.80]])
        >>> low_entropy = Uncertainty(score="entropy", threshold=-0.5)
        >>> low_entropy(pool, generator=torch.Generator()).index.tolist()
        [0]
        >>> best = Uncertainty(score="margin", share=0.67)
        >>> best(pool, generator=torch.Generator()).index.tolist()
        [0, 2]
    """

    score: Score = Field("max_prob", description="how sureness is measured")
    threshold: float | None = Field(
        None, description="least score that is kept, in the unit of the score; null with a share"
    )
    share: float | None = Field(
        None, gt=0, le=1, description="share of the rows that is kept; null with a threshold"
    )
    passes: int = Field(10, ge=2, description="stochastic passes, for mc_std alone")

    @model_validator(mode="after")
    def _one_of_two(self) -> "Uncertainty":
        if (self.threshold is None) == (self.share is None):
            raise ValueError("uncertainty takes either a threshold or a share")
        check_threshold(self.score, self.threshold)
        return self

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Passes for mc_std; the whole pool for a share of it."""
        return needs_of(self.score) | ({"pool"} if self.share is not None else set())

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        score_N = score(self.score, pool.passed(self.passes))
        if self.threshold is not None:
            return Selection.hard(pool, score_N >= self.threshold)
        return Selection.hard(pool, self._best(score_N))

    def _best(self, score_N: Tensor) -> Tensor:
        """bool[N]: the share of the rows with the largest scores."""
        assert self.share is not None
        rank_N = rank_within(torch.zeros(len(score_N), dtype=torch.int64), score_N)
        return rank_N < max(int(len(score_N) * self.share), 1)
