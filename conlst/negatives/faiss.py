"""Hard negatives: those rows of the complementary class that are nearest to the anchor."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import negatives
from conlst.negatives.by_class import Askers, ByClass, Drawing
from conlst.negatives.drawing import first_good
from conlst.negatives.languages import by_weight, reached, weight_of
from conlst.negatives.rankings import Questions, Rankings

ROUNDING = 1e-5
"""Two ways to compute one cosine may differ by so much."""


@negatives.register("faiss")
class Faiss(ByClass):
    r"""Take the K confident rows of the complementary class that are most, or least, similar.

        N_b = the K rows of A_b of largest cos(f_b, f_j)                  pick: nearest
            = K rows drawn from those of ranks lo + 1 ... hi in A_b       pick: semi_hard
            = the K rows of A_b of smallest cos(f_b, f_j)                 pick: farthest
        A_b = { j : confident_j, yhat_j = ybar_b, group_j != group_b, cos(f_b, f_j) <= t_b }
        t_b = min( max_similarity, (1 - relative_margin) * s_b )
        s_b = max { cos(f_b, f_j) : confident_j, yhat_j = yhat_b, group_j != group_b }

    Symbols: b, an anchor; f_j, `pool.features_ND` float[N, D], as they were before the stage;
    ybar_b, `complement_B` int64[B]; yhat_j, the pseudo-label of row j, int64[N]; s_b, of the
    nearest row of b's own class, 1 where there is none; [lo, hi], `window`; K, `count`; the answer
    is int64[B, K], with -1 where A_b has fewer than K rows.

    Paper: Robinson et al. 2021, "Contrastive Learning with Hard Negative Samples"; Schroff et al.
    2015, "FaceNet", section 3.2, on semi-hard ones. The guards t_b against false negatives are
    those of `mine_hard_negatives` in sentence-transformers.

    Departs: Robinson et al. weigh random negatives by their similarity; here the most similar are
    searched for, with an index for each class (and language). FaceNet's semi-hard are farther than
    the positive; here they are a window of ranks, counted after the guards. Where a list ends
    before the window does, the window moves up to its end. sentence-transformers knows the right
    answer to each query and measures the margin against it; the positive here is the same text, so
    the nearest row of the anchor's own class takes its place.

    With `share: class` the query is the mean of the sharing anchors' features at unit length, and
    its t the mean of theirs; what is nearer to an anchor than its own t_b is then struck out (-1),
    as it is among the rows that stand in for an empty class. With weights for languages, ranks are
    counted within each language. `empty` is that of `uniform`.

    Raises:
        pydantic.ValidationError: a window that is no range, or of fewer than K ranks.
        ValueError: the pool does not say who is confident.
        BadInput: faiss is not installed; or a class has no confident row and `empty` is "error".

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of(
        ...     [[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7]],
        ...     confident=[True] * 4,
        ...     features_ND=torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.5], [1.0, 1.0]]),
        ... )
        >>> anchor, complement = torch.tensor([0]), torch.tensor([1])
        >>> for sampler in Faiss(count=2), Faiss(count=2, max_similarity=0.9):
        ...     print(sampler(pool, anchor, complement, generator=torch.Generator()))
        tensor([[2, 3]])
        tensor([[3, 1]])
    """

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Neighbours, and what every sampler may need."""
        return super().needs | {"neighbours"}

    pick: Literal["nearest", "semi_hard", "farthest"] = Field(
        "nearest", description="which rows: the most similar, some of a window of ranks, the least"
    )
    window: list[Annotated[int, Field(ge=0)]] = Field(
        [10, 60],
        min_length=2,
        max_length=2,
        description="lo, hi of semi_hard: draw from the hi nearest, but for the lo nearest of them",
    )
    max_similarity: float | None = Field(
        None, ge=-1, le=1, description="no negative has a larger cosine to its anchor; null: any"
    )
    relative_margin: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="a negative's cosine is at most 1 minus this, times that of the nearest row of "
        "the anchor's own class; null: no margin",
    )
    exact_up_to: int = Field(
        50_000, ge=0, description="rows of a list up to which the search for neighbours is exact"
    )

    @model_validator(mode="after")
    def _a_window_of_k(self) -> "Faiss":
        lo, hi = self.window
        if self.pick == "semi_hard" and hi - lo < self.count:
            raise ValueError(
                f"window [{lo}, {hi}] holds {max(hi - lo, 0)} ranks, "
                f"fewer than count = {self.count}"
            )
        return self

    def drawing(self, pool: Pool, among: Tensor | None = None) -> "Nearest":
        """The sampler with an index for each list of confident rows."""
        lists = super().drawing(pool, among).confident
        rankings = Rankings.of(pool, lists, exact_up_to=self.exact_up_to)
        return Nearest(self, pool, among, rankings=rankings)


@dataclass(frozen=True, eq=False)
class Nearest(Drawing):
    """A sampler, its lists of a pool and the indexes of these lists."""

    sampler: Faiss
    rankings: Rankings = field(kw_only=True)

    def answer(self, askers: Askers, generator: torch.Generator) -> Tensor:
        """As ever; with a guard, what is too similar to the anchor itself is struck out."""
        if self.sampler.max_similarity is None and self.sampler.relative_margin is None:
            return super().answer(askers, generator)
        most_B = self._most(askers.anchors_B)
        rows_BK = super().answer(replace(askers, most_B=most_B), generator)
        rows_BKD = self._unit(rows_BK.clamp(min=0))
        cosine_BK = (rows_BKD @ self._unit(askers.anchors_B)[:, :, None]).squeeze(2)
        return rows_BK.masked_fill(cosine_BK > most_B[:, None] + ROUNDING, -1)

    def choose(self, askers: Askers, generator: torch.Generator) -> Tensor:
        """K rows for each asker by their similarity, int64[U, K]."""
        R, languages = self._ranks(), self.sampler.languages
        farthest = self.sampler.pick == "farthest"
        rows_ULR, score_ULR = self.rankings.first(self._asked(askers), R, farthest=farthest)
        if isinstance(languages, dict):
            U, L, _ = rows_ULR.shape
            rows_ULK = self._picked(rows_ULR.flatten(0, 1), generator).view(U, L, -1)
            return by_weight(rows_ULK, weight_of(languages, self.pool), generator)
        order_UM = score_ULR.flatten(1).argsort(dim=1, descending=True, stable=True)
        return self._picked(rows_ULR.flatten(1).gather(1, order_UM[:, :R]), generator)

    def _ranks(self) -> int:
        """How many of the rows that come first have to be known."""
        semi_hard = self.sampler.pick == "semi_hard"
        return self.sampler.window[1] if semi_hard else self.sampler.count

    def _picked(self, rows_QR: Tensor, generator: torch.Generator) -> Tensor:
        """K rows of each ranking, int64[Q, K]."""
        K, lo = self.sampler.count, self.sampler.window[0]
        if self.sampler.pick != "semi_hard":
            return rows_QR
        found_Q1 = (rows_QR >= 0).sum(1, keepdim=True)
        rank_QR = torch.arange(rows_QR.shape[1]).expand(len(rows_QR), -1)
        inside_QR = (rank_QR >= (found_Q1 - K).clamp(0, lo)) & (rank_QR < found_Q1)
        order_QR = torch.rand(rows_QR.shape, generator=generator).argsort(1)
        return first_good(rows_QR.gather(1, order_QR), inside_QR.gather(1, order_QR), K)

    def _asked(self, askers: Askers) -> Questions:
        """A question for each asker, from the middle of those it asks for."""
        U, who_B, pool = len(askers.anchor_U), askers.who_B, self.pool
        unit_BD = self._unit(askers.anchors_B)
        query_UD = unit_BD.new_zeros(U, unit_BD.shape[1]).index_add(0, who_B, unit_BD)
        most_U = torch.full((U,), torch.inf)
        if askers.most_B is not None:
            sum_U = torch.zeros(U).index_add(0, who_B, askers.most_B)
            most_U = sum_U / torch.bincount(who_B, minlength=U)
        wanted_UL = reached(self.sampler.languages, pool, pool.language[askers.anchor_U])
        own_U = pool.group[askers.anchor_U]
        return Questions(query_UD, askers.class_U, wanted_UL, own_U, most_U)

    def _most(self, anchors_B: Tensor) -> Tensor:
        """t, float[B]: the largest cosine that a negative may have to its anchor."""
        most_B = torch.full((len(anchors_B),), torch.inf)
        if (margin := self.sampler.relative_margin) is not None:
            most_B = (1 - margin) * self._nearest_of_own_class(anchors_B)
        if self.sampler.max_similarity is not None:
            most_B = most_B.clamp(max=self.sampler.max_similarity)
        return most_B

    def _nearest_of_own_class(self, anchors_B: Tensor) -> Tensor:
        """s, float[B]."""
        pool, any_B = self.pool, torch.full((len(anchors_B),), torch.inf)
        every_BL = torch.ones(len(anchors_B), self.confident.L, dtype=torch.bool)
        label_B, own_B = pool.pseudo_label[anchors_B], pool.group[anchors_B]
        asked = Questions(self._unit(anchors_B), label_B, every_BL, own_B, any_B)
        nearest_B = self.rankings.first(asked, 1)[1].amax((1, 2))
        return nearest_B.where(nearest_B.isfinite(), 1.0)

    def _unit(self, rows: Tensor) -> Tensor:
        return torch.nn.functional.normalize(self.pool.features_ND[rows].float(), dim=-1)
