"""What the parts of a stage told of their work: negatives found, texts translated, criteria."""

from collections.abc import Iterator
from typing import Any

from conlst.report.grid import Grid, grid
from conlst.report.words import NONE, percent

Json = dict[str, Any]

COLUMNS = {"translator", "pivot", "texts", "translated_now", "kept", "refused"}
"""What back-translation tells of a language; what other augmenters tell is not shown."""


def negatives(stage: Json) -> Grid:
    """How many draws of negatives found fewer than K rows, or none."""
    rows = [
        [
            code,
            str(told["K"]),
            str(told["asked"]),
            percent(_share(told["fewer_than_K"], told["asked"])),
            percent(_share(told["none"], told["asked"])),
        ]
        for code, facts in _facts(stage)
        if (told := facts.get("negatives"))
    ]
    header = ["language", "K", "draws", "fewer than K %", "none %"]
    note = "A draw asks for K confident rows of an anchor's complementary class."
    return grid("Negatives", header, rows, note)


def translations(stage: Json) -> Iterator[Grid]:
    """Who translated what, and which back-translations were refused."""
    for code, facts in _facts(stage):
        if told := facts.get("augment"):
            where = "" if code == NONE else f" ({code})"
            yield prepared(f"Back-translation{where}", told)


def prepared(title: str, told: Json) -> Grid:
    """What was translated: a row for each language of each augmenter, or of the data."""
    rows = [
        [language, *_translated(facts)]
        for name, by_language in told.items()
        if name.partition(" ")[0] == "languages" and isinstance(by_language, dict)
        for language, facts in by_language.items()
        if isinstance(facts, dict) and facts.keys() >= COLUMNS
    ]
    without = [
        language
        for name, languages in told.items()
        if name.partition(" ")[0] == "skipped" and isinstance(languages, list)
        for language in map(str, languages)
    ]
    header = ["language", "translator", "via", "texts", "translated now", "kept %", "refused"]
    note = f"Without translation: {', '.join(without)}." if without else ""
    return grid(title, header, rows, note)


def _translated(facts: Json) -> list[str]:
    refused = ", ".join(f"{name} {count}" for name, count in facts["refused"].items())
    return [
        facts["translator"],
        facts["pivot"],
        str(facts["texts"]),
        str(facts["translated_now"]),
        percent(_share(facts["kept"], facts["texts"])),
        refused or NONE,
    ]


def criterion(stage: Json) -> Grid:
    """What the stopping criterion made of the model, from the start of self-training on."""
    rows = [
        [NONE if code == "all" else code, *(NONE if v is None else f"{v:.4g}" for v in values)]
        for code, record in stage["records"].items()
        if (values := record.get("criterion"))
    ]
    longest = max((len(row) - 1 for row in rows), default=0)
    header = ["language", "start", *(f"iteration {i}" for i in range(1, longest))]
    padded = [row + [NONE] * (longest + 1 - len(row)) for row in rows]
    note = "Larger is better. It knows no target label."
    return grid("Stopping criterion", header, padded, note)


def _facts(stage: Json) -> Iterator[tuple[str, Json]]:
    for code, record in stage["records"].items():
        yield NONE if code == "all" else code, record.get("facts") or {}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
