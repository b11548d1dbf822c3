"""What the parts of a stage told of their work: negatives found, texts translated, criteria."""

from collections.abc import Iterator
from typing import Any

from conlst.report.grid import Grid, grid
from conlst.report.words import NONE, percent, stage_name

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


def ranking(report: Json) -> Grid:
    """How well figures without target labels would have chosen a checkpoint, over languages."""
    told: dict[str, list[tuple[Json, Json]]] = {}
    for judged in report["criteria"].values():
        for name, cell in judged["criteria"].items():
            told.setdefault(name, []).append((judged, cell))
    rows = [[name, *_ranked(cells)] for name, cells in told.items()]
    note = (
        "Each criterion is larger, the better it thinks of a checkpoint. Lost: points of accuracy "
        "between the checkpoint it would have chosen and the best one. Rank correlation: 1 orders "
        "the checkpoints as accuracy does, 0 by chance, -1 the other way round; not given for "
        "fewer than three checkpoints, and coarse for few. Means over the languages that have it."
    )
    header = ["criterion", "languages", "best chosen in", "points lost", "rank correlation"]
    return grid("Figures without labels, judged by gold", header, rows, note)


def _ranked(cells: list[tuple[Json, Json]]) -> list[str]:
    chosen = [
        max(judged["accuracy"].values()) - cell["accuracy"]
        for judged, cell in cells
        if cell["accuracy"] is not None
    ]
    ranks = [rank for _, cell in cells if (rank := cell["rank_correlation"]) is not None]
    if not chosen:
        return ["0", NONE, NONE, NONE]
    return [
        str(len(chosen)),
        str(sum(lost == 0 for lost in chosen)),
        percent(sum(chosen) / len(chosen)),
        f"{sum(ranks) / len(ranks):+.2f}" if ranks else NONE,
    ]


def choices(report: Json) -> Grid:
    """Which checkpoint each criterion would have chosen, by language."""
    found = report["criteria"]
    names = list(dict.fromkeys(name for judged in found.values() for name in judged["criteria"]))
    rows = [
        [
            code,
            f"{stage_name(judged['best'])}: {percent(judged['accuracy'][judged['best']])}",
            *(_choice(judged["criteria"].get(name)) for name in names),
        ]
        for code, judged in found.items()
    ]
    note = "With the accuracy (%) on the test rows of the language, or on its pool without any."
    return grid("Checkpoints they would have chosen", ["language", "best", *names], rows, note)


def _choice(cell: Json | None) -> str:
    if cell is None or cell["chosen"] is None:
        return NONE
    return f"{stage_name(cell['chosen'])}: {percent(cell['accuracy'])}"


def _facts(stage: Json) -> Iterator[tuple[str, Json]]:
    for code, record in stage["records"].items():
        yield NONE if code == "all" else code, record.get("facts") or {}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
