"""Eq. 4 of CoNLST: the sure rule out any other class, the unsure only the least likely one."""

import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import ComplementaryLabeller, labellers


@labellers.register("confidence_gated")
class ConfidenceGated(ComplementaryLabeller):
    r"""Rule out every other class for a confident row, and the least likely one for the others.

        ybar_i in { k : k != argmax_c q_ic }    if row i is confident
        ybar_i  = argmin_c q_ic                 otherwise

    Symbols: q_ic, `pool.probs_NC` float[N, C]; confident, `pool.confident` bool[N]; the answer is
    the set of admissible ybar_i, bool[N, C].

    Paper: Li et al. 2024, CoNLST, Eq. 4.

    Departs: the paper's "confident" is max_c q_ic >= gamma; here the selector in
    `contrastive.confident` decides it, once a stage. The equation names a set for confident rows:
    all of it is returned and the stage draws one class per row and step. argmin is taken over the
    classes other than the pseudo-label, which matters only when all are equally likely. With C = 2
    both lines name the same class and the gate decides nothing. The least likely class of an
    unsure row can still be the true one; the report counts how often.

    Raises:
        ValueError: the pool does not say who is confident.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.95, 0.03, 0.02], [0.50, 0.20, 0.30]], confident=[True, False])
        >>> ConfidenceGated()(pool, generator=torch.Generator()).int().tolist()
        [[0, 1, 1], [0, 1, 0]]
    """

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Tensor:
        if pool.confident is None:
            raise ValueError("the pool does not say who is confident; set contrastive.confident")
        label_N1 = pool.pseudo_label[:, None]
        others_NC = torch.ones_like(pool.probs_NC, dtype=torch.bool).scatter(1, label_N1, False)
        least_N1 = pool.probs_NC.masked_fill(~others_NC, torch.inf).argmin(1, keepdim=True)
        lowest_NC = torch.zeros_like(others_NC).scatter(1, least_N1, True)
        return others_NC & (lowest_NC | pool.confident[:, None])
