"""The contracts of complementary labellers and negative samplers, as checks."""

import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.errors import BadInput
from conlst.negatives.base import ComplementaryLabeller, NegativeSampler
from conlst.testing.tools import given, in_case, pools_for


def check_labeller(labeller: ComplementaryLabeller, pool: Pool | None = None) -> None:
    """The answer is bool[N, C] and never holds a row's own pseudo-label.

    Args:
        labeller: what is checked.
        pool: a pool to check it with; by default random and edge pools.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    for case, one in pools_for(labeller, pool).items():
        with in_case(labeller, case):
            complement_NC = given(labeller, one)
            assert complement_NC.dtype == torch.bool, f"must be bool, is {complement_NC.dtype}"
            assert complement_NC.shape == one.probs_NC.shape, "must be bool[N, C]"
            own = complement_NC.gather(1, one.pseudo_label[:, None])
            assert not bool(own.any()), "a row's own pseudo-label is among its complementary labels"


def check_sampler(sampler: NegativeSampler, pool: Pool | None = None) -> None:
    """Rows are confident, of the asked class, not the anchor's translations, and do not repeat.

    Classes without any confident row are asked for only in the edge pools, where the answer may be
    anything but the anchor's own group or a repeat, or a BadInput.

    Args:
        sampler: what is checked.
        pool: a pool to check it with; by default random and edge pools.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    for case, one in pools_for(sampler, pool).items():
        with in_case(sampler, case):
            anchors_B = torch.arange(len(one))
            complement_B = (one.pseudo_label + 1) % len(one.classes)
            for call in (sampler, sampler.draw):
                try:
                    rows_BK = given(call, one, anchors_B, complement_B)
                except BadInput:
                    lists = one.confident_by_class[1].diff()
                    assert bool((lists[complement_B] == 0).any()), "refused a pool that has all"
                    continue
                _check_negatives(sampler, one, complement_B, rows_BK)


def _check_negatives(
    sampler: NegativeSampler, pool: Pool, complement_B: Tensor, rows_BK: Tensor
) -> None:
    assert rows_BK.dtype == torch.int64, f"must be int64, is {rows_BK.dtype}"
    assert rows_BK.shape == (len(pool), sampler.count), "must be int64[B, K], K = count"
    assert bool(((rows_BK >= -1) & (rows_BK < len(pool))).all()), (
        "must point into the pool, or be -1"
    )
    lists, confident = pool.confident_by_class[1].diff().tolist(), pool.confident
    assert confident is not None
    for anchor, (asked, row) in enumerate(zip(complement_B.tolist(), rows_BK, strict=True)):
        drawn = row[row >= 0]
        assert len(drawn.unique()) == len(drawn), f"anchor {anchor}: rows repeat"
        own = pool.group[drawn] == pool.group[anchor]
        assert not bool(own.any()), f"anchor {anchor}: a row of its own group is no negative"
        if lists[asked]:
            assert bool(confident[drawn].all()), f"anchor {anchor}: rows must be confident"
            label = pool.pseudo_label[drawn]
            assert bool((label == asked).all()), f"anchor {anchor}: rows must be of class {asked}"
