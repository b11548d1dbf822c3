"""Whether a system beats another: a paired bootstrap over seeds and premises, corrected by Holm.

Letters: R seeds, L languages, N test rows, U premises (units), B resamples.

Test rows that share a premise rise and fall together, and rows of several languages are the same
items; so premises are drawn, and one draw holds for all languages, systems and seeds. Seeds are the
outer level: they are drawn too, each with the premises of the draw, because every seed is tried on
the same test rows.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Name = TypeVar("Name", bound=Hashable)
RESAMPLES = 5000


class Comparison(NamedTuple):
    """A difference of average accuracies, with its 95 % interval and its p-value."""

    value: float
    low: float
    high: float
    p: float


def by_unit(right_RLN: NDArray[np.bool_], units_N: Sequence[int]) -> Floats:
    """Right rows of every premise, the mean over languages: float[R, U].

    Examples:
        >>> by_unit(np.array([[[True, True, False]]]), [0, 0, 1])
        array([[2., 0.]])
    """
    mean_RN = right_RLN.mean(1)
    out_RU = np.zeros((len(mean_RN), max(units_N) + 1))
    np.add.at(out_RU, (slice(None), np.asarray(units_N)), mean_RN)
    return out_RU


def compared(
    system_RLN: NDArray[np.bool_],
    other_RLN: NDArray[np.bool_],
    units_N: Sequence[int],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Accuracy of a system minus that of another, both with the same seeds.

        d_b = 1/R sum_r v_br  sum_u w_bu difference_ru / sum_u w_bu rows_u

    w_b counts how often each premise came up in U draws, v_b each seed in R draws. The p-value is
    two-sided: twice the smaller share of draws on either side of zero, zero itself on both.
    """
    difference_RU = by_unit(system_RLN, units_N) - by_unit(other_RLN, units_N)
    rows_U = np.bincount(units_N).astype(float)
    R, U = difference_RU.shape
    w_BU, v_BR = _counts(seed, resamples, U), _counts(seed + 1, resamples, R)
    of_seed_BR = (w_BU @ difference_RU.T) / (w_BU @ rows_U)[:, None]
    d_B = (v_BR * of_seed_BR).sum(1) / R
    low, high = np.quantile(d_B, [0.025, 0.975])
    value = float(difference_RU.sum() / rows_U.sum() / R)
    return Comparison(value, float(low), float(high), _two_sided(d_B))


@lru_cache(maxsize=4)
def _counts(seed: int, draws: int, things: int) -> Floats:
    """How often each of some things comes up when as many are drawn, float[draws, things].

    It is kept: every comparison of a table has this very draw.
    """
    drawn = np.random.default_rng(seed).integers(things, size=(draws, things))
    flat = (drawn + np.arange(draws)[:, None] * things).ravel()
    return np.bincount(flat, minlength=draws * things).reshape(draws, things).astype(float)


def _two_sided(d_B: Floats) -> float:
    """One is added to both counts, so that no finite number of draws says p = 0."""
    beyond = min((d_B <= 0).sum(), (d_B >= 0).sum())
    return float(min(1.0, 2 * (beyond + 1) / (len(d_B) + 1)))


def holm(p: Mapping[Name, float]) -> dict[Name, float]:
    """p-values of several comparisons, each made larger for there being others (Holm 1979).

    Examples:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    out, largest = dict[Name, float](), 0.0
    for place, name in enumerate(sorted(p, key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - place) * p[name]))
        out[name] = largest
    return {name: out[name] for name in p}
