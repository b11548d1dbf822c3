r"""How far the model is sure of a row: the numbers that several selectors rank rows by.

Each is a function from a pool to float[N], and larger always means surer: what is an uncertainty in
the literature has a minus sign here. Letters: q_nc, `pool.probs_NC` float[N, C]; z_nc,
`pool.logits_NC` float[N, C]; q_pnc, `pool.probs_PNC` float[P, N, C].
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from conlst.arrays import Pool

Score = Literal["max_prob", "entropy", "margin", "mc_std", "vacuity", "dissonance", "custom"]
"""The scores by name."""

TINY = 1e-7
"""Keeps the quotients of `dissonance` finite, as in the code of Xu et al."""


def score(name: Score, pool: Pool) -> Tensor:
    """The score of that name, float[N], larger for rows that the model is surer of.

    Raises:
        ValueError: "mc_std" is asked for and the pool has no two stochastic passes.

    Examples:
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.5, 0.5], [0.75, 0.25]])
        >>> score("margin", pool)
        tensor([0.0000, 0.5000])
        >>> score("entropy", pool)
        tensor([-1.0000, -0.8113], dtype=torch.float64)
    """
    return SCORES[name](pool)


def needs_of(name: Score) -> frozenset[str]:
    """What a selector that uses the score needs, in the words of the selectors' contract."""
    return frozenset({"passes"} if name == "mc_std" else ())


def check_threshold(name: Score, threshold: float | None) -> None:
    """Refuse a threshold that no row can reach.

    Raises:
        ValueError: it lies above the largest value of the score.
    """
    largest = 1 if name in ("max_prob", "margin") else 0
    if threshold is not None and threshold > largest:
        sign = "" if largest else f", as it has a minus sign here; {-threshold:g} was meant?"
        raise ValueError(f"threshold is {threshold:g}, but {name} is at most {largest}{sign}")


def max_prob(pool: Pool) -> Tensor:
    """max_c q_nc, from 1/C to 1."""
    return pool.confidence


def entropy(pool: Pool) -> Tensor:
    """sum_c q_nc ln q_nc / ln C, from -1 (all classes alike) to 0 (one class)."""
    entropy_N: Tensor = torch.special.entr(pool.probs_NC.double()).sum(1)
    return -entropy_N / math.log(len(pool.classes))


def margin(pool: Pool) -> Tensor:
    """The largest q_nc minus the second largest, from 0 to 1."""
    top_N2: Tensor = pool.probs_NC.topk(2, dim=1).values
    return top_N2[:, 0] - top_N2[:, 1]


def mc_std(pool: Pool) -> Tensor:
    """-std_p q_pnc for c = argmax_c q_nc, with the divisor P - 1; at most 0."""
    if pool.probs_PNC is None or len(pool.probs_PNC) < 2:
        raise ValueError("the score mc_std needs two or more stochastic passes in pool.probs_PNC")
    every_N = torch.arange(len(pool))
    std_N: Tensor = pool.probs_PNC[:, every_N, pool.pseudo_label].double().std(0)
    return -std_N


def vacuity(pool: Pool) -> Tensor:
    """-C / S_n, from -1 to 0: how little evidence there is for any class.

    Evidence e_nc = ELU(z_nc) + 1, alpha_nc = e_nc + 1, S_n = sum_c alpha_nc. It means what it says
    where the classifier was trained with an evidential loss.
    """
    return -len(pool.classes) / (_evidence(pool) + 1).sum(1)


def dissonance(pool: Pool) -> Tensor:
    """-sum_k b_k [ sum_{j != k} b_j Bal(j, k) ] / sum_{j != k} b_j, from -1 to 0.

    How far the evidence for different classes conflicts: belief b_nc = e_nc / S_n with e and S as
    in `vacuity`, Bal(j, k) = 1 - |b_j - b_k| / (b_j + b_k), and 1e-7 is added to both denominators.
    It is 0 where one class has all the evidence, and also where there is none at all: `custom` adds
    a little vacuity for that.
    """
    evidence_NC = _evidence(pool)
    belief_NC = evidence_NC / (evidence_NC + 1).sum(1, keepdim=True)
    conflict_N = torch.zeros(len(pool), dtype=torch.float64)
    for k, own_N1 in enumerate(belief_NC.split(1, dim=1)):
        balance_NC = 1 - (belief_NC - own_N1).abs() / (belief_NC + own_N1 + TINY)
        others_NC = belief_NC.clone()
        others_NC[:, k] = 0
        share_N = (others_NC * balance_NC).sum(1) / (others_NC.sum(1) + TINY)
        conflict_N += own_N1[:, 0] * share_N
    return -conflict_N


def custom(pool: Pool) -> Tensor:
    """A tenth of `vacuity` plus `dissonance`, from -1.1 to 0: the mixture of Xu et al. (2021)."""
    return 0.1 * vacuity(pool) + dissonance(pool)


def _evidence(pool: Pool) -> Tensor:
    """ELU(z) + 1 = exp(z) below 0 and z + 1 above, float[N, C]; small evidence is not rounded."""
    logits_NC = pool.logits_NC.double()
    return logits_NC.clamp(max=0).exp() + logits_NC.clamp(min=0)


SCORES: dict[Score, Callable[[Pool], Tensor]] = {
    "max_prob": max_prob,
    "entropy": entropy,
    "margin": margin,
    "mc_std": mc_std,
    "vacuity": vacuity,
    "dissonance": dissonance,
    "custom": custom,
}
