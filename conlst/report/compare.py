"""Several runs side by side: the models they hand out, on the same test rows."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from conlst.errors import BadInput
from conlst.folder import differences
from conlst.report import gold, metrics, scores
from conlst.report.build import build, finite
from conlst.report.files import RunFiles, open_run

RESAMPLES = 10_000
"""More than in a report: p-values are raised for many comparisons, and must be fine enough."""

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Tried:
    """One run and its test rows, as the models it hands out judge them."""

    label: str
    """A letter and the folder's name."""
    run: RunFiles
    truth: dict[str, gold.GoldTable]
    judged: dict[str, scores.Judged]
    stages: dict[str, str]


def compare(folders: Sequence[Path]) -> tuple[Json, list[Json]]:
    """What several runs have in common and where they differ, and the report of each.

    Raises:
        BadInput: fewer than two runs, or runs that were not tested on the same rows.
    """
    if len(folders) < 2:
        raise BadInput("two or more runs are needed to compare")
    letters = [*ascii_uppercase, *(f"{a}{b}" for a in ascii_uppercase for b in ascii_uppercase)]
    tried = [_tried(*named) for named in zip(letters, folders, strict=False)]
    common = _common(tried)
    draws = _draws(tried, common)
    reports = [build(one.run.path) for one in tried]
    compared = {
        "runs": [_told(one, report) for one, report in zip(tried, reports, strict=True)],
        "languages": list(dict.fromkeys(code for one in tried for code in one.judged)),
        "over": common,
        "differences": _differences(tried, common, draws),
        "recipe": differences([_recipe(one.run) for one in tried]),
    }
    return dict(finite(compared)), reports


UNTOLD = ("name", "description")
"""Of a recipe: what no run depends on."""


def _recipe(run: RunFiles) -> Json:
    """A recipe whose files are told by name and content, wherever they lie."""
    recipe = {k: copy.deepcopy(v) for k, v in run.raw.items() if k not in UNTOLD}
    source, targets = recipe["data"]["source"], recipe["data"]["targets"]
    for name, sha in run.data.get("hashes", {}).items():
        owner, _, kind = name.partition(".")
        file = (source if owner == "source" else targets.get(owner, {})).get(kind)
        if file and file["path"]:
            file["path"] = f"{Path(file['path']).name} (SHA-256 {sha[:12]})"
    return recipe


def _tried(letter: str, folder: Path) -> Tried:
    run = open_run(folder)
    truth = gold.of_tests(run.recipe.data, run.classes)
    name = folder.resolve().name
    return Tried(f"{letter} {name}", run, truth, *scores.last_kept(run, truth))


def _common(tried: Sequence[Tried]) -> list[str]:
    """Languages over which averages are compared: targets, if there are any, that all runs test.

    Raises:
        BadInput: runs of other classes, or tested on other rows.
    """
    first, *others = tried
    for other in others:
        if first.run.classes != other.run.classes:
            raise BadInput(
                f"{other.run.path}: has other classes than {first.run.path}: "
                f"{', '.join(other.run.classes)}, not {', '.join(first.run.classes)}"
            )
        _refuse_other_rows(first, other)
    codes = [code for code in first.judged if all(code in other.judged for other in others)]
    if not codes:
        paths = ", ".join(str(one.run.path) for one in tried)
        raise BadInput(f"{paths}: no language is tested in all of them")
    sources = {one.run.recipe.data.source.language for one in tried}
    return [code for code in codes if code not in sources] or codes


def _refuse_other_rows(first: Tried, other: Tried) -> None:
    for code in [code for code in first.judged if code in other.judged]:
        mine, theirs = _gold_by_id(first, code), _gold_by_id(other, code)
        if mine != theirs:
            odd = [id for id in mine.keys() | theirs.keys() if mine.get(id) != theirs.get(id)]
            raise BadInput(
                f"{other.run.path}: its test rows of {code!r} are not those of {first.run.path}: "
                f"{len(odd)} id(s) are in one of them only or have another label, such as "
                f"{min(odd)!r}; runs can be compared on the same rows only"
            )


def _gold_by_id(one: Tried, code: str) -> dict[str, int]:
    table, ids = one.truth[code], one.judged[code].ids
    return dict(zip(map(str, ids.to_pylist()), table.join(ids).tolist(), strict=True))


def _draws(tried: Sequence[Tried], common: Sequence[str]) -> dict[tuple[int, str], Tensor]:
    """By run and language, resampled differences of accuracy to the first run, float[R].

    A unit is an id, so that translations of one text rise and fall together; all runs share the
    draw.
    """
    first, *others = tried
    cells = [
        (at, code)
        for at, other in enumerate(others, start=1)
        for code in other.judged
        if code in first.judged
    ]
    units = pc.unique(pa.concat_arrays([rows.ids for rows in first.judged.values()])).sort()

    def right(one: Tried, code: str) -> Tensor:
        rows = one.judged[code]
        return scores.by_unit(rows.ids, rows.correct, units)

    ones = {code: torch.ones(len(rows.ids)) for code, rows in first.judged.items()}
    counts = [scores.by_unit(first.judged[code].ids, ones[code], units) for _, code in cells]
    changes = [right(tried[at], code) - right(first, code) for at, code in cells]
    drawn = metrics.paired_bootstrap(
        torch.stack(changes, 1), torch.stack(counts, 1), resamples=RESAMPLES
    )
    out = dict(zip(cells, drawn.T, strict=True))
    for at in range(1, len(tried)):
        out[at, AVERAGE] = torch.stack([out[at, code] for code in common]).nanmean(0)
    return out


AVERAGE = ""
"""Stands in the place of a language for the average over those that all runs test."""


def _differences(
    tried: Sequence[Tried], common: Sequence[str], draws: Mapping[tuple[int, str], Tensor]
) -> list[Json]:
    """Per run after the first and language: difference, interval, p; two families of tests."""
    out: list[Json] = [{} for _ in tried]
    for family in (
        [cell for cell in draws if cell[1] == AVERAGE],
        [cell for cell in draws if cell[1] != AVERAGE],
    ):
        raised = metrics.holm([metrics.two_sided(draws[cell]) for cell in family])
        for (at, code), p in zip(family, raised, strict=True):
            value = _accuracy(tried[at], code, common) - _accuracy(tried[0], code, common)
            out[at][code] = scores.difference(value, draws[at, code]) | {"p": p}
    return out


def _accuracy(one: Tried, code: str, common: Sequence[str]) -> float:
    codes = common if code == AVERAGE else [code]
    return sum(float(one.judged[c].figures["accuracy"]) for c in codes) / len(codes)


def _told(one: Tried, report: Json) -> Json:
    records = [record for stage in report["stages"] for record in stage["records"].values()]

    def total(name: str) -> float:
        return sum(record[name] or 0 for record in records)

    return {
        "label": one.label,
        "folder": str(one.run.path),
        "setting": report["setting"],
        "adapt": report["adapt"],
        "seed": report["seed"],
        "finished": report["finished"],
        "stages": one.stages,
        "accuracy": {code: rows.figures["accuracy"] for code, rows in one.judged.items()},
        "cost": {name: total(name) for name in ("seconds", "steps", "tokens")}
        | {"peak_memory": max(record["peak_memory"] or 0 for record in records) or None},
    }
