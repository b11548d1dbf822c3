"""Every class but the pseudo-label, or those of them that are unlikely enough."""

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.base import ComplementaryLabeller, labellers


@labellers.register("all_others")
class AllOthers(ComplementaryLabeller):
    r"""Rule out every class but the pseudo-label, or those of at most a certain probability.

        ybar_i in { k : k != argmax_c q_ic and q_ik <= at_most }

    Symbols: q_ic, `pool.probs_NC` float[N, C]; at_most, 1 where it is null; the answer is the set
    of admissible ybar_i, bool[N, C]; a row without any is no anchor.

    Paper: Feng et al. 2020, "Learning with Multiple Complementary Labels": a row has a set of
    complementary labels, and all of them count.

    Departs: the set of Feng et al. is given by annotators; here it is what the model holds to be
    unlikely. Without `at_most` it is the set of `random`; it is meant for a stage that keeps the
    whole set (`contrastive.draw: all`), so that negatives come from every other class. With
    `at_most` the same bound holds for every row, however sure it is: a row that wavers between two
    classes rules out neither.

    Raises:
        pydantic.ValidationError: at_most is no probability above 0.

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.90, 0.06, 0.04], [0.50, 0.45, 0.05], [0.40, 0.30, 0.30]])
        >>> AllOthers()(pool, generator=torch.Generator()).int().tolist()
        [[0, 1, 1], [0, 1, 1], [0, 1, 1]]
        >>> AllOthers(at_most=0.1)(pool, generator=torch.Generator()).int().tolist()
        [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    """

    at_most: float | None = Field(
        None, gt=0, le=1, description="only classes of at most this probability; null: any of them"
    )

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Tensor:
        unlikely_NC = pool.probs_NC <= (1 if self.at_most is None else self.at_most)
        return unlikely_NC.scatter(1, pool.pseudo_label[:, None], False)
