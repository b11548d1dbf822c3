r"""The cut edge statistic: do the nearest rows bear a row's label more often than chance?

    J_i = sum_{j in N(i)} w_ij [y_j != y_i]        weight of the cut edges of row i
    mu_i = (1 - pi_i) sum_j w_ij                   its mean, and
    sigma_i^2 = pi_i (1 - pi_i) sum_j w_ij^2       its variance, were labels strewn by chance
    r_i = 1 - Phi( (J_i - mu_i) / sigma_i )        clean confidence: the larger, the less is cut
    w_ij = 1 / (1 + d_ij) inverse_distance | max(cos_ij, 0) cosine,   d_ij = sqrt(2 - 2 cos_ij)

N(i), the k nearest other rows of the graph by cosine; pi_i, share of the graph's rows that bear the
label y_i; Phi, the distribution function of the standard normal. Where sigma_i = 0 (all rows of the
graph bear one label, or no edge has a weight) the neighbourhood says nothing, and r_i = 1/2.

Papers: Muhlenbach et al. 2004, "Identifying and handling mislabelled instances"; Zhang & Zhou 2011,
"COTRADE"; Gui et al. 2014, "Cross-lingual opinion analysis via negative transfer detection".

Departs: Muhlenbach et al. take the relative neighbourhood graph, whose making is cubic in the rows;
here it is the k nearest rows, and distances are those of vectors of length 1. EWF of the R package
NoiseFiltersR takes no square root of sigma_i^2 and then hands mu_i over as the standard deviation.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from conlst.neighbours import Index

Weight = Literal["inverse_distance", "cosine"]
"""How much an edge counts: 1 / (1 + distance) on the unit sphere, or the cosine."""


@dataclass(frozen=True, eq=False)
class CutEdges:
    """The statistic of every row, and what it would be by chance."""

    cut_N: Tensor
    """float64[N]: J."""
    mean_N: Tensor
    """float64[N]: mu."""
    deviation_N: Tensor
    """float64[N]: sigma."""

    @cached_property
    def clean_N(self) -> Tensor:
        """float64[N]: r, in [0, 1]; 1/2 where the neighbourhood says nothing."""
        excess_N = (self.cut_N - self.mean_N) / self.deviation_N
        clean_N: Tensor = torch.special.ndtr(-excess_N.where(self.deviation_N > 0, 0))
        return clean_N


def cut_edges(
    features_ND: Tensor,
    label_N: Tensor,
    k: int,
    *,
    weight: Weight = "inverse_distance",
    beside: tuple[Tensor, Tensor] | None = None,
) -> CutEdges:
    """Compare the labels of rows with those of their neighbours.

    Args:
        features_ND: float[N, D].
        label_N: int64[N], the labels that are doubted.
        k: neighbours of a row; it has fewer where the graph has no more than k rows.
        weight: what an edge counts.
        beside: features float[S, D] and labels int64[S] of rows that stand in the graph too, and
            are not judged themselves.

    Examples:
        >>> near = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2]])
        >>> features = torch.cat([near, near.flip(1)])
        >>> found = cut_edges(features, torch.tensor([0, 0, 0, 1, 1, 0]), k=2)
        >>> found.clean_N
        tensor([0.8411, 0.8413, 0.8411, 0.7133, 0.6910, 0.0229], dtype=torch.float64)
    """
    graph_MD, label_M = features_ND, label_N
    if beside is not None:
        graph_MD = torch.cat([features_ND, beside[0]])
        label_M = torch.cat([label_N, beside[1]])
    place_NK, weight_NK = _edges(features_ND, graph_MD, k, weight)
    differs_NK = label_M[place_NK] != label_N[:, None]
    share_N = torch.bincount(label_M)[label_N].double() / max(len(label_M), 1)
    spread_N = share_N * (1 - share_N)
    return CutEdges(
        (weight_NK * differs_NK).sum(1),
        (1 - share_N) * weight_NK.sum(1),
        (spread_N * weight_NK.square().sum(1)).sqrt(),
    )


def _edges(features_ND: Tensor, graph_MD: Tensor, k: int, weight: Weight) -> tuple[Tensor, Tensor]:
    """Neighbours int64[N, K] of the graph's first N rows, and weights; 0 where there is none."""
    place_NK, cos_NK = Index(graph_MD).search(features_ND, k + 1)
    itself_NK = place_NK == torch.arange(len(place_NK))[:, None]
    kept_NK = itself_NK.int().argsort(dim=1, stable=True)[:, :k]  # itself goes, or the farthest
    place_NK, cos_NK = place_NK.gather(1, kept_NK), cos_NK.gather(1, kept_NK).double()
    if weight == "cosine":
        weight_NK = cos_NK.clamp(min=0)
    else:
        weight_NK = 1 / (1 + (2 - 2 * cos_NK).clamp(min=0).sqrt())
    return place_NK.clamp(min=0), weight_NK.masked_fill(place_NK < 0, 0)
