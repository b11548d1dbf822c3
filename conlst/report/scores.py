"""Test rows: scores by language after each stage, averages, and intervals of the change."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from conlst.report import gold, metrics
from conlst.report.files import Ids, LanguageRows, RunFiles, StageFiles

RESAMPLES = 1000
FIGURES = ("accuracy", "macro_f1", "n", "calibration_error", "groups", "difference")

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Judged:
    """Test rows of one language after one stage, beside their gold."""

    ids: Ids
    correct: Tensor
    figures: Json


def by_stage(run: RunFiles, truth: Mapping[str, gold.GoldTable]) -> tuple[list[Json], Json]:
    """Per stage: `languages`, `average` and `average_targets`, with intervals of the change.

    And the same of the models that are handed out: of each language, the last that was kept.
    """
    judged = [_judged_stage(run, stage, truth) for stage in run.stages]
    resampled = _resampled(judged)
    stages = [
        _cells(run, stage, judged[0], rows, draws)
        for stage, rows, draws in zip(run.stages, judged, resampled, strict=True)
    ]
    return stages, _handed_out(run, judged, resampled)


def _handed_out(
    run: RunFiles, judged: Sequence[Mapping[str, Judged]], resampled: Sequence[dict[str, Tensor]]
) -> Json:
    """Scores of each language's last stage that neither collapsed nor was rolled back."""
    languages, later = run.recipe.data.languages(), run.stages[1:]
    adapted = [c for c in languages if any(s.shared or c in s.records for s in later)]
    last = {code: _last_kept(run.stages, code) for code in adapted or languages}
    rows = {code: judged[at][code] for code, at in last.items() if code in judged[at]}
    draws = {
        code: resampled[last[code]].get(code, torch.zeros(RESAMPLES, dtype=torch.float64))
        for code in rows
    }
    cells = _cells(run, StageFiles("handed out"), judged[0], rows, draws)
    return cells | {"stages": {code: run.stages[at].name for code, at in last.items()}}


def last_kept(
    run: RunFiles, truth: Mapping[str, gold.GoldTable]
) -> tuple[dict[str, Judged], dict[str, str]]:
    """By language, the judged test rows of the model that is handed out, and its stage."""
    at = {code: _last_kept(run.stages, code) for code in truth}
    rows = {
        code: _judged_stage(run, run.stages[place], {code: truth[code]}).get(code)
        for code, place in at.items()
    }
    names = {code: run.stages[place].name for code, place in at.items()}
    return {code: judged for code, judged in rows.items() if judged}, names


def _last_kept(stages: Sequence[StageFiles], code: str) -> int:
    last = 0
    for at, stage in enumerate(stages[1:], start=1):
        if stage.collapse(code) or stage.rolled_back(code):
            break
        if stage.shared or code in stage.records:
            last = at
    return last


def _judged_stage(
    run: RunFiles, stage: StageFiles, truth: Mapping[str, gold.GoldTable]
) -> dict[str, Judged]:
    tables = run.tables("predictions", stage, list(truth))
    return {code: _judged(rows, truth[code], run.classes) for code, rows in tables.items()}


def _judged(rows: LanguageRows, truth: gold.GoldTable, classes: Sequence[str]) -> Judged:
    kept, at = truth.find(rows.ids)
    label = truth.labels[at]
    confidence, predicted = rows.matrix("probabilities", len(classes))[kept].max(1)
    correct = predicted == label
    figures: Json = {
        "accuracy": metrics.accuracy(predicted, label),
        "macro_f1": metrics.macro_f1(predicted, label, len(classes)),
        "n": len(label),
        "calibration_error": metrics.calibration_error(confidence, correct),
    }
    if truth.groups is not None:
        figures["groups"] = _groups([truth.groups[i] for i in at.tolist()], correct)
    return Judged(rows.ids.take(pa.array(kept.numpy())), correct, figures)


def _groups(names: Sequence[str], correct: Tensor) -> Json:
    unique, inverse = np.unique(np.array(names, dtype=object), return_inverse=True)
    inside = torch.from_numpy(inverse)
    n = torch.bincount(inside, minlength=len(unique))
    right = torch.bincount(inside[correct], minlength=len(unique))
    return {
        str(name): {"accuracy": int(right[i]) / int(n[i]), "n": int(n[i])}
        for i, name in enumerate(unique)
    }


def _resampled(judged: Sequence[Mapping[str, Judged]]) -> list[dict[str, Tensor]]:
    """Per stage and language, resampled differences of accuracy to the first stage, float[R].

    A unit of the draw is an id: rows of several languages with one id are translations. All stages
    and languages share the draw; the seed is fixed and units are sorted, so runs on the same test
    rows share it too and can be compared.
    """
    source = judged[0]
    out: list[dict[str, Tensor]] = [{} for _ in judged]
    cells = [(i, code) for i, stage in enumerate(judged) for code in stage if i and code in source]
    if not cells:
        return out
    units = pc.unique(pa.concat_arrays([rows.ids for rows in source.values()])).sort()
    right = {code: by_unit(rows.ids, rows.correct, units) for code, rows in source.items()}
    count = {code: by_unit(r.ids, torch.ones(len(r.ids)), units) for code, r in source.items()}
    change = [
        by_unit(judged[i][code].ids, judged[i][code].correct, units) - right[code]
        for i, code in cells
    ]
    draws = metrics.paired_bootstrap(
        torch.stack(change, 1),
        torch.stack([count[code] for _, code in cells], 1),
        resamples=RESAMPLES,
    )
    for (i, code), values in zip(cells, draws.T, strict=True):
        out[i][code] = values
    return out


def by_unit(ids: Ids, values: Tensor, units: Ids) -> Tensor:
    """Sums of the rows' values over the units they belong to, float64[U]."""
    at = gold.positions(ids, units, "predictions: the source stage has no row for")
    return torch.zeros(len(units), dtype=torch.float64).index_add(0, at, values.double())


def _cells(
    run: RunFiles,
    stage: StageFiles,
    source: Mapping[str, Judged],
    judged: Mapping[str, Judged],
    draws: Mapping[str, Tensor],
) -> Json:
    languages = run.recipe.data.languages()
    cells = {code: _cell(stage, code, source, judged, draws) for code in languages}
    targets = [code for code in languages if code != run.recipe.data.source.language]
    return {
        "languages": cells,
        "average": _average(cells, languages, draws),
        "average_targets": _average(cells, targets, draws),
    }


def _cell(
    stage: StageFiles,
    code: str,
    source: Mapping[str, Judged],
    judged: Mapping[str, Judged],
    draws: Mapping[str, Tensor],
) -> Json:
    """One language after one stage; without a model or test rows all its figures are null."""
    cell: Json = dict.fromkeys(FIGURES)
    cell |= {"collapse": stage.collapse(code), "rolled_back": stage.rolled_back(code)}
    if code in judged:
        cell |= judged[code].figures
    if code in draws:
        before = source[code].figures["accuracy"]
        cell["difference"] = difference(cell["accuracy"] - before, draws[code])
    return cell


def _average(cells: Mapping[str, Json], codes: Sequence[str], draws: Mapping[str, Tensor]) -> Json:
    """Means over the languages that have figures at this stage, named in `over`."""
    over = [code for code in codes if cells[code]["n"]]
    out: Json = {
        "accuracy": _mean([cells[code]["accuracy"] for code in over]),
        "macro_f1": _mean([cells[code]["macro_f1"] for code in over]),
        "over": over,
        "withdrawn": [
            code for code in over if cells[code]["collapse"] or cells[code]["rolled_back"]
        ],
        "difference": None,
    }
    if over and set(over) <= set(draws):
        value = _mean([cells[code]["difference"]["value"] for code in over])
        out["difference"] = difference(value, torch.stack([draws[c] for c in over]).nanmean(0))
    return out


def difference(value: float, draws: Tensor) -> Json:
    """A difference with its interval."""
    bounds = metrics.interval(draws)
    return {"value": value, "low": bounds.low, "high": bounds.high}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
