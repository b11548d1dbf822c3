"""Eq. 5 of CoNLST: negatives drawn at random from the confident rows of the complementary class."""

from conlst.negatives.base import negatives
from conlst.negatives.by_class import ByClass


@negatives.register("uniform")
class Uniform(ByClass):
    r"""Draw K confident rows of the complementary class, uniformly and without replacement.

        N_b = K rows drawn from { j : confident_j, yhat_j = ybar_b, group_j != group_b }

    Symbols: b, an anchor; ybar_b, `complement_B` int64[B]; yhat_j, the pseudo-label of pool row j,
    int64[N]; K, `count`; the answer is int64[B, K], with -1 where the set has fewer than K rows.

    Paper: Li et al. 2024, CoNLST, Eq. 5.

    Departs: K is not given (16 here). Translations of the anchor are no negatives of it. With
    `share: class` the anchors of a batch with one ybar share one draw, so that a step encodes at
    most C * K negatives. The paper is silent on a class without any confident row, frequent in
    low-resource languages; `empty` decides: its K most confident rows stand in (most_confident);
    the anchor gets none (skip); the least likely class that has confident rows and is not the
    anchor's own takes its place (next_lowest); or the run ends (error).

    Of several languages only the rows in those an anchor may draw from count, also for `empty`. A
    draw costs O(B K) whatever N, with weights O(B K L) for L languages: places are drawn in lists
    by class and language, made once a stage, and repeats rejected. Only where the anchor's own
    group fills the window is a list shuffled whole.

    Raises:
        ValueError: the pool does not say who is confident.
        BadInput: a class has no confident row and `empty` is "error".

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of(
        ...     [[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.4, 0.6]],
        ...     confident=[True, True, True, False],
        ... )
        >>> anchor, complement = torch.tensor([0]), torch.tensor([1])
        >>> Uniform(count=3)(pool, anchor, complement, generator=torch.Generator().manual_seed(0))
        tensor([[ 2,  1, -1]])
    """
