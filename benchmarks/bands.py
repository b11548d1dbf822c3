"""Table 4: how many pool rows are sure, half sure and unsure, and how right, around stage 1."""

from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import results
from benchmarks.markdown import table
from benchmarks.scores import ordered, scored, spread
from benchmarks.study import Study

Json = dict[str, Any]
BANDS = (">.9", ".5-.9", "<.5")
WHEN = {"before": "bands_before", "after": "bands"}
WHAT = ("rows", "right %")


def tables(plan: Study, setting: str, root: Path) -> str:
    """Count and accuracy of every band, before and after stage 1, a line a system and language."""
    head = ["system", "language", "seeds"]
    head += [f"{band} {when}, {what}" for band, when, what in product(BANDS, WHEN, WHAT)]
    rows = []
    for each in scored(plan, setting, root):
        for code in ordered(each.languages):
            told = [after_stage_1(result, code) for result in each.results(code)]
            pools = [pool for pool in told if pool]
            row = [each.system.label, code, str(len(pools))]
            for band, when in product(BANDS, WHEN.values()):
                row += _cells(pools, when, band)
            rows.append(row)
    return table(head, rows, left=2) if rows else ""


def after_stage_1(result: Json, language: str) -> Json | None:
    """What the model makes of a language's pool after stage 1."""
    pool: Json | None = results.stage(result, "contrastive").get("pool", {}).get(language)
    return pool


def _cells(pools: list[Json], when: str, band: str) -> list[str]:
    """Mean count, and mean accuracy of the seeds that have such rows and their gold."""
    told = [pool[when][band] for pool in pools]
    right = [cell["accuracy"] for cell in told if cell["accuracy"] is not None]
    return [f"{mean(cell['n'] for cell in told):.0f}" if told else "", spread(right)]
