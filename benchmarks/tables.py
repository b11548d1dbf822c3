"""The tables of the READMEs, made from the result files and from nothing else."""

import json
from pathlib import Path
from typing import Any

from benchmarks import (
    HERE,
    PACKAGED,
    accuracy,
    balance,
    bands,
    classes,
    figures,
    groups,
    results,
    summary,
)
from benchmarks.faults.table import table as faults
from benchmarks.speed.table import tables as speed
from benchmarks.study import Study, names, study

Json = dict[str, Any]
RESULTS = HERE / "results"
KINDS = {
    "accuracy": accuracy.tables,
    "balance": balance.tables,
    "bands": bands.tables,
    "classes": classes.tables,
    "figures": figures.tables,
    "groups": groups.tables,
    "summary": summary.tables,
}
"""What is made of a study's results."""
NOTHING = "No result file is there."


def write(root: Path = RESULTS) -> None:
    """Put each table between its markers, here and in the README at the root."""
    made = every(root)
    for readme in (HERE / "README.md", HERE.parent / "README.md"):
        text = readme.read_text(encoding="utf-8")
        for marker, table in made.items():
            text = put(text, marker, table)
        readme.write_text(text, encoding="utf-8")


def every(root: Path = RESULTS) -> dict[str, str]:
    """Each table by the marker it stands behind: `STUDY SETTING`, `speed`, or `faults`."""
    found = {
        f"{plan.name} {setting}": of_study(plan, setting, root)
        for plan in map(study, names())
        for setting in plan.settings or settings()
    }
    return found | {"speed": speed(root) or NOTHING, "faults": faults(root) or NOTHING}


def of_study(plan: Study, setting: str, root: Path = RESULTS) -> str:
    """A study's table in a setting, its note, and the sentence that says what the setting is."""
    made = KINDS[plan.kind](plan, setting, root)
    if not made:
        return NOTHING
    return "\n\n".join(filter(None, [made, plan.note, sentence(plan, setting, root)]))


def sentence(plan: Study, setting: str, root: Path) -> str:
    """What was measured, where and with what, by the result files themselves."""
    held = results.read(root, setting, [system.name for system in plan.systems])
    found = [result for of_system in held.values() for result in of_system]
    seeds = sorted({result["seed"] for result in found})
    transfer = sorted({result["transfer"] for result in found})
    devices = sorted({result["environment"]["device"] for result in found})
    versions = sorted({_versions(result) for result in found})
    hours = sum(result["seconds"] for result in found) / 3600
    return (
        f"{settings().get(setting, setting)} In percent, mean and standard deviation over seeds "
        f"({', '.join(map(str, seeds))}); {' and '.join(transfer)}; {len(found)} cells, "
        f"{hours:.1f} hours on {', '.join(devices)}; {'; '.join(versions)}."
    )


def _versions(result: Json) -> str:
    held = result["environment"]["versions"]
    return ", ".join(f"{name} {held[name]}" for name in ("conlst", "torch", "transformers"))


def settings() -> dict[str, str]:
    """What each setting says of itself, by its name."""
    files = [*PACKAGED.glob("settings/*.json"), *HERE.glob("settings/*.json")]
    raw = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(files)}
    return {
        name: " ".join([told["description"], raw.get(f"{name}.budget", {}).get("why", "")]).strip()
        for name, told in raw.items()
        if "description" in told
    }


def put(text: str, marker: str, table: str) -> str:
    """A text with the table between its markers; one without markers stays as it is."""
    before, opening, rest = text.partition(f"<!-- {marker} -->")
    _, closing, after = rest.partition(f"<!-- /{marker} -->")
    return f"{before}{opening}\n{table}\n{closing}{after}" if opening and closing else text
