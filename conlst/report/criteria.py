"""How figures without target labels would have ranked a run's checkpoints, where gold is known.

A practitioner has no target labels and must choose a checkpoint by such a figure. Here, on data
with gold, one sees which of them may be relied on.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from conlst.arrays import Pool
from conlst.criteria import Criterion, criteria
from conlst.report import metrics
from conlst.report.files import EVERY, RunFiles, StageFiles
from conlst.report.pools import PoolView, Views

Json = dict[str, Any]

JUDGED: tuple[tuple[str, Json], ...] = (
    ("entropy", {}),
    ("mutual_information", {}),
    ("snd", {"rows": 1000}),  # its cost grows with the square of the rows
    ("agreement", {}),
    ("source_guard", {}),
)
"""Those that need no more than a run folder keeps: probabilities, and the source accuracy."""


def ranked(run: RunFiles, seen: Sequence[Views], stages: Sequence[Json]) -> Json:
    """Per language: accuracy of its checkpoints, and each criterion's values, choice and rank.

    Args:
        run: the run
        seen: the pools after each stage
        stages: the same stages in `report.json`, scored
    """
    return {
        code: _judged(accuracy, of, list(_values(run, seen, code)))
        for code in run.recipe.data.adapted()
        for accuracy, of in [_accuracies(stages, code)]
        if len(accuracy) > 1
    }


def _accuracies(stages: Sequence[Json], code: str) -> tuple[dict[str, float], str]:
    """Accuracy of a language's checkpoints on its test rows or, without any, on its pool."""
    there = [stage for stage in stages if code in stage["pool"]]
    for of in ("languages", "pool"):
        found = {stage["name"]: stage[of][code]["accuracy"] for stage in there}
        if all(value is not None for value in found.values()):
            return found, "test" if of == "languages" else "pool"
    return {}, ""


def _values(run: RunFiles, seen: Sequence[Views], code: str) -> Iterator[tuple[str, Json]]:
    """(criterion, its value by stage), those that the run itself noted last."""
    for name, parameters in JUDGED:
        yield name, _told(run, seen, code, criteria[name](**parameters))
    loop = run.recipe.self_training
    if loop and loop.stop:
        yield f"stop: {loop.stop.get('type')}", _noted(run, code)


def _told(run: RunFiles, seen: Sequence[Views], code: str, criterion: Criterion) -> Json:
    out: Json = {}
    before: PoolView | None = None
    for stage, views in zip(run.stages, seen, strict=True):
        if code in views:
            view = views[code] if before is None else views[code].beside(before)
            now = _pool(run, code, view)
            was = None if before is None else _pool(run, code, before)
            accuracy = _record(stage, code).get("source_dev")
            given = math.nan if accuracy is None else accuracy
            out[stage.name], before = criterion(now, before=was, source_accuracy=given), view
    return out


def _noted(run: RunFiles, code: str) -> Json:
    """Values of the recipe's own stopping criterion: of the start, then of each iteration."""
    names = [stage.name for stage in run.stages]
    loops = [name for name in names if name.startswith("self_training")]
    kept = [_record(stage, code).get("criterion") for stage in run.stages]
    values: list[float | None] = next((values for values in reversed(kept) if values), [])
    start = names[names.index(loops[0]) - 1 :] if loops else []
    return dict(zip(start, (math.nan if v is None else v for v in values), strict=False))


def _record(stage: StageFiles, code: str) -> Json:
    return stage.records.get(EVERY) or stage.records.get(code) or {}


def _pool(run: RunFiles, code: str, view: PoolView) -> Pool:
    """The rows as a criterion takes them; they carry no features here, and no gold."""
    N, probs = len(view.ids), view.probs_NC.float()
    return Pool(
        classes=tuple(run.classes),
        ids=[""] * N,  # no criterion asks who they are
        languages=(code,),
        language=torch.zeros(N, dtype=torch.long),
        group=torch.arange(N),
        logits_NC=probs.clamp(min=1e-30).log(),
        probs_NC=probs,
        features_ND=torch.zeros(N, 0),
    )


def _judged(accuracy: dict[str, float], of: str, told: Sequence[tuple[str, Json]]) -> Json:
    best = max(accuracy, key=accuracy.__getitem__)
    return {
        "of": of,
        "accuracy": accuracy,
        "best": best,
        "criteria": {name: _ranked(values, accuracy) for name, values in told},
    }


def _ranked(values: Json, accuracy: dict[str, float]) -> Json:
    known = {name: value for name, value in values.items() if math.isfinite(value)}
    chosen = max(known, key=known.__getitem__) if known else None
    return {
        "values": values,
        "chosen": chosen,
        "accuracy": None if chosen is None else accuracy[chosen],
        "rank_correlation": metrics.rank_correlation(
            list(known.values()), [accuracy[name] for name in known]
        ),
    }
