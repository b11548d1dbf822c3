"""What contrastive losses share: unit vectors, and what pulls a row to others among all."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def at_least_float32(z: Tensor) -> Tensor:
    """Half precision is too coarse for differences and similarities of vectors."""
    return z.to(torch.promote_types(z.dtype, torch.float32))


def unit(z: Tensor) -> Tensor:
    """Bring vectors to length 1, so that their products are cosines."""
    return normalize(at_least_float32(z), dim=-1)


def attraction(
    anchor: Tensor, positive: Tensor, pulls_BB: Tensor, compared_BB: Tensor, temperature: float
) -> Tensor:
    r"""Compute the supervised contrastive loss over the two views of every row, float[B].

        l_v = - 1 / |P_v| sum_{u in P_v} log( e^{h_v.h_u / T} / sum_{a in A_v} e^{h_v.h_a / T} )

    v, u, a count through the 2B views; a row's value is the mean of its two. The mean is over the
    positives there are, and a view that has none gets 0 and gradient 0, never NaN.

    Args:
        anchor: first views, float[B, D].
        positive: second views, float[B, D].
        pulls_BB: bool[B, B], which rows' views are in P_v; a view is never its own positive.
        compared_BB: bool[B, B], which rows' views are in A_v; it holds `pulls_BB`.
        temperature: T.
    """
    B = len(anchor)
    h_VD = unit(torch.cat([anchor, positive]))
    others_VV = ~torch.eye(2 * B, dtype=torch.bool, device=h_VD.device)
    pulls_VV, compared_VV = (mask.repeat(2, 2) & others_VV for mask in (pulls_BB, compared_BB))
    similarity_VV = h_VD @ h_VD.T / temperature
    least = torch.finfo(h_VD.dtype).min  # not -inf: nobody to compare with would then mean NaN
    among_V1 = similarity_VV.masked_fill(~compared_VV, least).logsumexp(1, keepdim=True)
    surprise_VV = (among_V1 - similarity_VV).masked_fill(~pulls_VV, 0)
    return (surprise_VV.sum(1) / pulls_VV.sum(1).clamp(min=1)).view(2, B).mean(0)
