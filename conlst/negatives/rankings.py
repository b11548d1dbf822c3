"""The rows of each list by their similarity to an anchor, with the indexes that find them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from conlst.arrays import Pool
from conlst.negatives.drawing import first_good
from conlst.negatives.lists import Lists
from conlst.neighbours import Index

CHUNK = 256
"""Questions that are answered together: bounds the memory of a wide search."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Which rows are wanted, near to what or far from it."""

    query_QD: Tensor
    class_Q: Tensor
    wanted_QL: Tensor
    """bool[Q, L]: of which languages; L as in the lists."""
    own_Q: Tensor
    """int64[Q]: the group that is left out."""
    most_Q: Tensor
    """float[Q]: the largest cosine."""

    def take(self, which: Tensor) -> "Questions":
        """Some of them."""
        return Questions(*(value[which] for value in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Rankings:
    """Lists of rows of a pool, and an index of each."""

    pool: Pool
    lists: Lists
    indexes: list[Index]

    @classmethod
    def of(cls, pool: Pool, lists: Lists, *, exact_up_to: int) -> "Rankings":
        """Make the indexes, of the pool's features."""
        features = pool.features_ND[lists.rows].split(lists.offsets.diff().tolist())
        return cls(pool, lists, [Index(part, exact_up_to=exact_up_to) for part in features])

    def first(self, asked: Questions, R: int, *, farthest: bool = False) -> tuple[Tensor, Tensor]:
        """The R most similar rows of each language, or the R least similar.

        Returns:
            Rows of the pool, int64[Q, L, R], and what they are ranked by, float[Q, L, R]: their
            cosine, negative if the farthest come first; -1 and -inf where there are fewer.
        """
        sign = -1 if farthest else 1
        parts = torch.arange(len(asked.class_Q)).split(CHUNK)
        rows, score = zip(*(self._first(asked.take(part), R, sign) for part in parts), strict=True)
        return torch.cat(rows), torch.cat(score)

    def _first(self, asked: Questions, R: int, sign: int) -> tuple[Tensor, Tensor]:
        rows_QLR = torch.full((*asked.wanted_QL.shape, R), -1)
        score_QLR = torch.full(rows_QLR.shape, -torch.inf)
        sizes, group, width = self.lists.offsets.diff(), self.pool.group, 2 * R
        q_M, l_M = (asked.wanted_QL & (self.lists.sizes_CL[asked.class_Q] > 0)).nonzero().T
        while len(q_M):
            number_M = asked.class_Q[q_M] * self.lists.L + l_M
            rows_MW, score_MW = self._neighbours(number_M, sign * asked.query_QD[q_M], width)
            good_MW = (rows_MW >= 0) & (sign * score_MW <= asked.most_Q[q_M][:, None])
            good_MW &= group[rows_MW.clamp(min=0)] != asked.own_Q[q_M][:, None]
            at_MR = first_good(torch.arange(width).expand(len(q_M), -1), good_MW, R)
            there_MR, at_MR = at_MR >= 0, at_MR.clamp(min=0)
            rows_QLR[q_M, l_M] = rows_MW.gather(1, at_MR).where(there_MR, -1)
            score_QLR[q_M, l_M] = score_MW.gather(1, at_MR).where(there_MR, -torch.inf)
            # The own group or the limit may leave too few although the list goes on: look further.
            short_M = ~there_MR[:, -1] & (sizes[number_M] > width)
            q_M, l_M, width = q_M[short_M], l_M[short_M], 4 * width
        return rows_QLR, score_QLR

    def _neighbours(self, number_M: Tensor, query_MD: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Rows of the list of each number by their similarity to the query, and that."""
        rows_MW = torch.full((len(number_M), width), -1)
        score_MW = torch.full(rows_MW.shape, -torch.inf)
        for number in number_M.unique().tolist():
            which = (number_M == number).nonzero().flatten()
            place, score_MW[which] = self.indexes[number].search(query_MD[which], width)
            at = self.lists.offsets[number] + place.clamp(min=0)
            rows_MW[which] = self.lists.rows[at].where(place >= 0, -1)
        return rows_MW, score_MW
