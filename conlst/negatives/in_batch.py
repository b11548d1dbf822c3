"""Negatives among the batch itself: nothing is encoded but the anchors."""

import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import NegativeSampler, negatives, without_own
from conlst.negatives.drawing import drawn
from conlst.negatives.lists import Lists


@negatives.register("in_batch")
class InBatch(NegativeSampler):
    r"""Draw up to K confident anchors of the same batch that are of the complementary class.

        N_b = K rows drawn from { j in batch : confident_j, yhat_j = ybar_b, group_j != group_b }

    Symbols: batch, `anchors_B` int64[B], rows of the pool; b, one of them; ybar_b, `complement_B`
    int64[B]; yhat_j, the pseudo-label of row j; K, `count`; the answer is int64[B, K], with -1
    where the set has fewer than K rows.

    Paper: Deng et al. 2022, "Boosting Semi-Supervised Learning with Contrastive Complementary
    Labeling" (CCL): the denominator of an unsure sample holds the sure ones of its batch that are
    predicted as one of its complementary labels.

    Departs: CCL takes all of them and several complementary labels at once; here they are of the
    one label drawn for the step, and K are drawn where there are more. CCL's batches are of
    hundreds; a batch of B = 32 holds some B / C confident rows of a class at best, and an anchor
    whose class is not among them has no negative: what would stand in is not in the batch.

    Raises:
        ValueError: the pool does not say who is confident.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> probs = [[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]
        >>> pool = pool_of(probs, confident=[True, True, False, True])
        >>> batch, complement = torch.tensor([0, 1, 2]), torch.tensor([1, 0, 0])
        >>> InBatch(count=2)(pool, batch, complement, generator=torch.Generator())
        tensor([[ 1, -1],
                [ 0, -1],
                [ 0, -1]])
    """

    def __call__(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        return self._among(pool, anchors_B, anchors_B, complement_B, generator)

    def draw(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """As the contract says; whoever draws, it draws from the whole batch."""
        first_U, who_B = self.sharing(pool, anchors_B, complement_B)
        rows_UK = self._among(pool, anchors_B, anchors_B[first_U], complement_B[first_U], generator)
        return without_own(pool, anchors_B, rows_UK[who_B])

    def _among(
        self,
        pool: Pool,
        batch_B: Tensor,
        anchor_U: Tensor,
        class_U: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        if pool.confident is None:
            raise ValueError("the pool does not say who is confident; set contrastive.confident")
        rows = batch_B.unique()
        rows = rows[pool.confident[rows]]
        lists = Lists.of(pool, rows, by_language=self.languages != "all")
        return drawn(self, lists, pool, anchor_U, class_U, generator=generator)
