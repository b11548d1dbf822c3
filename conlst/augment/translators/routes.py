"""Which translator takes a language there and back, and by way of which other language."""

from collections.abc import Sequence
from dataclasses import dataclass

from conlst.augment.translators.base import Translator

Pivot = str | dict[str, str]
"""The language between: one for all, or by language, with "*" for all others."""


@dataclass(frozen=True)
class Route:
    """A language, the one that it is translated into and back from, and who does it."""

    language: str
    pivot: str
    translator: Translator

    def obstacles(self) -> list[str]:
        """What this machine lacks for it."""
        there = self.translator.obstacle(self.language, self.pivot)
        back = self.translator.obstacle(self.pivot, self.language)
        lacks = dict.fromkeys(what for what in (there, back) if what)
        return [f"{self.language!r} by {self.translator.name}: {what}" for what in lacks]


def between(language: str, pivot: Pivot) -> str | None:
    """The pivot of a language; None if it has none, or would be its own."""
    found = pivot if isinstance(pivot, str) else pivot.get(language, pivot.get("*"))
    return None if found == language else found


def route(language: str, pivot: Pivot, translators: Sequence[Translator]) -> Route | None:
    """By the first translator that knows the language there and back; None if nobody does."""
    via = between(language, pivot)
    if via is None:
        return None
    for translator in translators:
        if translator.knows(language, via) and translator.knows(via, language):
            return Route(language, via, translator)
    return None


def lost(
    language: str, pivot: Pivot, translators: Sequence[Translator], others: Sequence[str]
) -> str:
    """Say that a language has no route, who has one among the others, and what can be done."""
    via = between(language, pivot)
    if via is None:
        return f"{language!r} needs another language as its pivot; set pivot[{language!r}]"
    does = {translator.name: list[str]() for translator in translators}
    for other in others:
        if found := route(other, pivot, translators):
            does[found.translator.name].append(other)
    known = "; ".join(f"{name} does for {', '.join(c) or 'none'}" for name, c in does.items())
    return (
        f"{language!r} via {via!r}: no translator goes there and back ({known}); name another "
        "translator or pivot, or set missing to 'skip'"
    )
