"""Pool rows: how clean and balanced pseudo-labels are after each stage, what each stage took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from torch import Tensor

from conlst.report import gold, metrics
from conlst.report.files import Ids, LanguageRows, RunFiles, StageFiles

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class PoolView:
    """Pool rows of one language after one stage, with gold where the recipe names some."""

    rows: LanguageRows
    probs_NC: Tensor
    gold: Tensor | None

    @property
    def ids(self) -> Ids:
        return self.rows.ids

    @property
    def label(self) -> Tensor:
        return self.probs_NC.argmax(1)

    @property
    def confidence(self) -> Tensor:
        return self.probs_NC.amax(1)

    @property
    def correct(self) -> Tensor | None:
        return None if self.gold is None else self.label == self.gold

    def beside(self, other: "PoolView") -> "PoolView":
        """These rows in the order of another stage's."""
        if self.ids.equals(other.ids):
            return self
        at = gold.positions(other.ids, self.ids, "pseudo_labels: the stage before has no row for")
        columns = self.rows.columns.take(pa.array(at.numpy()))
        rows = LanguageRows(other.ids, columns, self.rows.where)
        return PoolView(rows, self.probs_NC[at], other.gold)


Views = Mapping[str, PoolView]
"""What one stage made of the pool, by language."""


def views_of(run: RunFiles, truth: Mapping[str, gold.GoldTable]) -> list[dict[str, PoolView]]:
    """Per stage, what it made of the pools of the languages it has a model for."""
    codes = run.recipe.data.adapted()
    tables = [run.tables("pseudo_labels", stage, codes) for stage in run.stages]
    return [
        {code: _view(rows, truth.get(code), run.classes) for code, rows in by_language.items()}
        for by_language in tables
    ]


def by_stage(
    run: RunFiles, truth: Mapping[str, gold.GoldTable], seen: Sequence[Views]
) -> list[Json]:
    """Per stage: `pool`, and what stage 1 and stage 2 add."""
    before: dict[str, PoolView] = {}
    out = []
    for stage, views in zip(run.stages, seen, strict=True):
        out.append(_pool_stage(run, stage, views, before, truth))
        before |= views
    return out


def _view(rows: LanguageRows, truth: gold.GoldTable | None, classes: Sequence[str]) -> PoolView:
    label = None if truth is None else truth.join(rows.ids)
    return PoolView(rows, rows.matrix("probabilities", len(classes)), label)


def _pool_stage(
    run: RunFiles,
    stage: StageFiles,
    views: Views,
    before: Views,
    truth: Mapping[str, gold.GoldTable],
) -> Json:
    C = len(run.classes)
    out: Json = {
        "pool": {code: _pool_cell(view, before.get(code), C) for code, view in views.items()}
    }
    if stage.name == "contrastive":
        out["complement"] = {
            code: _complement(view, before[code], C) for code, view in views.items()
        }
        curves = run.tables("pseudo_labels", stage, list(views), "-curve")
        out["curve"] = {code: _curve(rows, truth.get(code), C) for code, rows in curves.items()}
    elif stage.name != "source":
        out["selection"] = {
            code: metrics.selection(
                view.rows.tensor("selected"), view.rows.tensor("label").long(), view.gold, C
            )
            for code, view in views.items()
        }
    return out


def _pool_cell(view: PoolView, before: PoolView | None, C: int) -> Json:
    """What the model of a stage makes of a language's pool; `bands_before`: of the stage before."""
    sure, correct = view.confidence.double() > 0.9, view.correct
    cell: Json = {
        "n": len(view.ids),
        "accuracy": None,
        "calibration_error": None,
        "class_balance": {
            "all": metrics.class_balance(view.label, C),
            "confident": metrics.class_balance(view.label[sure], C),
        },
        "gold_balance": None,
        "bands": metrics.bands(view.confidence, correct),
        "histogram": metrics.histogram(view.confidence, correct),
        "changed": None,
    }
    if view.gold is not None and correct is not None:
        cell["accuracy"] = metrics.accuracy(view.label, view.gold)
        cell["calibration_error"] = metrics.calibration_error(view.confidence, correct)
        cell["gold_balance"] = metrics.class_balance(view.gold, C)
    if before is not None:
        old = before.beside(view)
        cell["bands_before"] = metrics.bands(old.confidence, old.correct)
        cell["changed"] = metrics.changed(old.label, view.label)
    return cell


def _complement(view: PoolView, before: PoolView, C: int) -> Json:
    """Complementary labels as stage 1 began with them, by gold and by the model's own odds."""
    held_NC = view.rows.matrix("complement", C)
    error = None if view.gold is None else metrics.complement_error(held_NC, view.gold)
    return {
        "error_rate": error,
        "estimated_error_rate": metrics.estimated_complement_error(
            held_NC, before.beside(view).probs_NC
        ),
        "anchors": int(held_NC.any(1).sum()),
    }


def _curve(rows: LanguageRows, truth: gold.GoldTable | None, C: int) -> list[Json]:
    """Accuracy and class balance of the pool at each step it was labelled (Fig. 5)."""
    step, label = rows.tensor("step"), rows.tensor("label").long()
    right = None if truth is None else label == truth.join(rows.ids)
    steps = sorted(set(step.tolist()))
    return [
        {
            "step": at,
            "accuracy": None if right is None else float(right[step == at].double().mean()),
            "class_balance": metrics.class_balance(label[step == at], C),
        }
        for at in steps
    ]
