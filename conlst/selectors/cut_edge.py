"""Trust the rows whose nearest rows bear the same label."""

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool, Selection
from conlst.cut_edges import Weight, cut_edges
from conlst.selectors.base import Selector, selectors


@selectors.register("cut_edge")
class CutEdge(Selector):
    r"""Keep the rows whose pseudo-label is shared by their neighbours, more than chance would.

        keep_n = [ r_n >= threshold ],    r_n = 1 - Phi( (J_n - mu_n) / sigma_n )
        J_n  = sum_{j in N(n)} w_nj [ y_j != y_n ]
        mu_n = (1 - pi_n) sum_j w_nj,    sigma_n^2 = pi_n (1 - pi_n) sum_j w_nj^2

    Symbols: N(n), the k rows nearest to row n by the cosine of their features float[N, D], n itself
    left out; y, pseudo-labels of pool rows and gold labels of source rows, int64[N + S]; w_nj,
    weight of an edge (`conlst.cut_edges`); J_n, weight of the edges that a different label cuts;
    mu_n and sigma_n, its mean and deviation if labels had nothing to do with features; pi_n, share
    of y_n among all N + S labels; r_n, clean confidence, float[N] in [0, 1]. A kept row has weight
    1 and its own pseudo-label. A neighbourhood that says nothing has r_n = 1/2.

    Paper: Gui et al. 2014, "Cross-lingual opinion analysis via negative transfer detection"; the
    statistic is that of Muhlenbach et al. 2004 and of Zhang & Zhou 2011, "COTRADE".

    Departs: Gui et al. transfer confident rows and drop the noisy among them; here the statistic
    alone decides, over the whole pool. The papers rank rows or test at some level. The default .75
    is what the threshold .25 of NoiseFiltersR means, which looks from the other side: with C = 3
    balanced classes and k = 10 it asks for about 5 neighbours of the same label, with C = 2 for 7.

    Few neighbours cannot contradict chance where one class takes nearly all: with equal weights r_n
    is at most Phi( sqrt( k (1 - pi_n) / pi_n ) ), so that with k = 10 a class that has more than
    96 % of the labels keeps no row at .75. In a joint pool of translations the nearest rows often
    mean the same, and err alike: inside `per_language` each language is judged by its own rows.

    Raises:
        pydantic.ValidationError: threshold outside [0, 1], k below 1, or an unknown weight.
        ValueError: `source` is set and the pool has no source rows.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> features = torch.tensor([[1.0, 0.1 * n] for n in range(4)] + [[0.0, 1.0]] * 3)
        >>> labels = [0, 0, 0, 1, 1, 1, 1]
        >>> pool = pool_of(torch.eye(2)[labels], features_ND=features)
        >>> cut_edge = CutEdge(k=2, threshold=0.7, source=False)
        >>> cut_edge.clean_confidence(pool)
        tensor([0.9486, 0.9488, 0.5799, 0.0514, 0.8897, 0.8897, 0.8897],
               dtype=torch.float64)
        >>> cut_edge(pool, generator=torch.Generator()).index.tolist()
        [0, 1, 4, 5, 6]
    """

    k: int = Field(10, ge=1, description="neighbours of each row")
    threshold: float = Field(0.75, ge=0, le=1, description="least clean confidence that is kept")
    weight: Weight = Field(
        "inverse_distance", description="what an edge counts: 1 / (1 + distance), or the cosine"
    )
    source: bool = Field(True, description="look for neighbours among labelled source rows too")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """The whole pool, its neighbours, and source rows where they are looked at."""
        return frozenset({"pool", "neighbours"} | ({"source"} if self.source else set()))

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        return Selection.hard(pool, self.clean_confidence(pool) >= self.threshold)

    def clean_confidence(self, pool: Pool) -> Tensor:
        """r, float64[N]: how much better than chance the neighbours bear the pseudo-label out."""
        beside = None
        if self.source:
            if pool.source is None:
                raise ValueError("cut_edge needs pool.source; set source: false to do without it")
            beside = (pool.source.features_SD, pool.source.label)
        found = cut_edges(
            pool.features_ND, pool.pseudo_label, self.k, weight=self.weight, beside=beside
        )
        return found.clean_N
