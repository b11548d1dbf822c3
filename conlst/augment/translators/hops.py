"""The way from one language into another: straight, or over a language between."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from conlst.augment.translators.base import Translator


@dataclass(frozen=True)
class Hop:
    """A part of the way, and who does it."""

    source: str
    target: str
    translator: Translator


def hops(source: str, target: str, via: str | None, translators: Sequence[Translator]) -> list[Hop]:
    """Each part of the way by the first translator that knows it; empty where nobody does."""
    stops = [source, target] if via is None else [source, via, target]
    found: list[Hop] = []
    for here, there in pairwise(stops):
        knowing = (each for each in translators if each.knows(here, there))
        if (translator := next(knowing, None)) is None:
            return []
        found.append(Hop(here, there, translator))
    return found


def obstacles(way: Sequence[Hop]) -> list[str]:
    """What this machine lacks for it."""
    lacks = ((hop, hop.translator.obstacle(hop.source, hop.target)) for hop in way)
    return [
        f"{hop.source!r} into {hop.target!r} by {hop.translator.name}: {what}"
        for hop, what in lacks
        if what
    ]


def nobody(source: str, target: str, via: str | None, names: Sequence[str]) -> str:
    """Say that there is no way, and what can be done."""
    over = "" if via is None else f" via {via!r}"
    return (
        f"no translator goes from {source!r} into {target!r}{over} (asked: {', '.join(names)}); "
        "name another translator or a language between in 'via', or set missing to 'skip'"
    )
