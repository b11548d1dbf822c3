"""How goals are measured: arms in turn, ratios round by round, a verdict by the median."""

import gc
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

Arm = Callable[[], float | None]
"""What is timed. It may return its own seconds, where only a part of what it does counts."""
Rounds = dict[str, list[float]]
"""Seconds of every arm, a figure a round."""


def now() -> float:
    """Seconds of the process's CPU time; where a GPU computes, by the wall, once it is done."""
    torch = sys.modules.get("torch")  # whoever computes on a GPU has imported it
    if torch is None or not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def alternate(
    arms: Mapping[str, Arm],
    rounds: int,
    *,
    clock: Callable[[], float] | None = None,
    warm_up: bool = True,
) -> Rounds:
    """Time all arms in one process, in turn: forwards, backwards, forwards, ...

    A machine that slows down for a while then slows down every arm of a round, and who comes first
    changes. What is compared are ratios inside a round.
    """
    clock = clock or now
    if warm_up:
        for arm in arms.values():
            arm()
    seconds: Rounds = {name: [] for name in arms}
    for number in range(rounds):
        for name in arms if number % 2 == 0 else reversed(arms):
            gc.collect()
            start = clock()
            own = arms[name]()
            seconds[name].append(clock() - start if own is None else own)
    return seconds


def ratios(over: list[float], under: list[float]) -> list[float]:
    """Round by round; never of two medians."""
    return [a / b for a, b in zip(over, under, strict=True)]


def repeated(call: Callable[[], object], times: int) -> Arm:
    """An arm of `times` calls that tells the seconds of one."""

    def arm() -> float:
        start = now()
        for _ in range(times):
            call()
        return (now() - start) / times

    return arm


@dataclass(frozen=True)
class Line:
    """One comparison: what was asked, what was measured in every round, and who with."""

    what: str
    peer: str
    """The other arm's name and figure."""
    ours: str
    values: list[float]
    """A value a round; the median is judged."""
    asked: float
    bound: Literal[">=", "<="]
    unit: str = "x"

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def verdict(self) -> str:
        met = self.value >= self.asked if self.bound == ">=" else self.value <= self.asked
        return "met" if met else "missed"

    def json(self) -> dict[str, Any]:
        """As it is kept: the verdict stands beside the figures it is made of."""
        spread = {"low": min(self.values), "high": max(self.values)}
        return asdict(self) | {"value": self.value, **spread, "verdict": self.verdict}


def times_faster(
    what: str, seconds: Rounds, peer: str, asked: float, ours: str = "conlst", rows: int = 0
) -> Line:
    """Peer's seconds over ours, at least `asked`."""
    value = ratios(seconds[peer], seconds[ours])
    cells = [figure(name, seconds[name], rows) for name in (peer, ours)]
    return Line(what, *cells, value, asked, ">=")


def times_slower(
    what: str, seconds: Rounds, peer: str, asked: float, ours: str = "conlst", rows: int = 0
) -> Line:
    """Our seconds over the peer's, at most `asked`."""
    value = ratios(seconds[ours], seconds[peer])
    cells = [figure(name, seconds[name], rows) for name in (peer, ours)]
    return Line(what, *cells, value, asked, "<=")


def figure(name: str, seconds: list[float], rows: int = 0) -> str:
    """An arm's name with its median time, or with rows a second."""
    middle = median(seconds)
    return f"{name}: {rows / middle:.3g} rows/s" if rows else f"{name}: {duration(middle)}"


def duration(seconds: float) -> str:
    """Seconds for the eye.

    Examples:
        >>> duration(0.0000123), duration(0.25), duration(12)
        ('12.3 us', '250 ms', '12 s')
    """
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} us"
