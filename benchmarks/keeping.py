"""What is kept of a cell: recipe, machine, every figure, and which test rows were right.

Result files speak for themselves: tables, intervals and figures are made from them alone. They
name no folder of a machine, and no text of a data set is in them.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmarks import bitmaps
from benchmarks.cells import Cell
from benchmarks.recipes import Setting
from benchmarks.results import average, record
from conlst.data import read_labelled
from conlst.folder import RunFolder
from conlst.recipe import Recipe, load
from conlst.report import Report, gold
from conlst.report.files import RunFiles, StageFiles, open_run

Json = dict[str, Any]
KEPT = ("setting", "adapt", "languages", "source_language", "classes", "seed", "environment")
OF_STAGE = ("name", "seconds", "pool", "complement", "curve", "selection")
OF_TEST = ("accuracy", "macro_f1", "n", "calibration_error", "groups", "collapse", "rolled_back")


def path(root: Path, cell: Cell) -> Path:
    """Of a cell's result file."""
    return root / f"{cell.place}.json"


def of_run(cell: Cell, report: Report, measured: Json) -> Json:
    """What a finished run says, with what it cost."""
    told, run = report.data, open_run(report.folder)
    tests = gold.of_tests(run.recipe.data, run.classes)
    right = [_right(run, stage, tests) for stage in run.stages]
    return {
        "cell": {"setting": cell.setting.name, "system": cell.system, "language": cell.language},
        **{("transfer" if key == "setting" else key): told[key] for key in KEPT},
        "hashes": told["data"]["hashes"],
        **measured,
        "kept": told["handed_out"]["stages"],
        "rows": {code: bitmaps.named(_ids(run, tests, code)) for code in tests},
        "stages": [
            _stage(stage, rows) | {"records": cell.setting.anonymous(stage["records"])}
            for stage, rows in zip(told["stages"], right, strict=True)
        ],
        "warnings": cell.setting.anonymous(told["warnings"]),
        "recipe": cell.setting.anonymous(cell.recipe),
    }


def _stage(stage: Json, right: dict[str, str]) -> Json:
    kept = {key: stage[key] for key in OF_STAGE if key in stage}
    test = {
        code: {key: told[key] for key in OF_TEST if key in told} | {"right": right.get(code)}
        for code, told in stage["languages"].items()
    }
    return {**kept, "test": test}


def _right(run: RunFiles, stage: StageFiles, tests: dict[str, gold.GoldTable]) -> dict[str, str]:
    """Which test rows a stage gets right, by language, in the order of their ids."""
    out = {}
    for code, rows in run.tables("predictions", stage, list(tests)).items():
        kept, at = tests[code].find(rows.ids)
        label = rows.matrix("probabilities", len(run.classes)).argmax(1)[kept]
        right = (label == tests[code].labels[at]).numpy()
        ids = rows.ids.take(kept.numpy()).to_pylist()
        out[code] = bitmaps.written(right[bitmaps.order(ids)])
    return out


def _ids(run: RunFiles, tests: dict[str, gold.GoldTable], code: str) -> list[str]:
    """Test rows of a language that have a label."""
    ids = run.tables("predictions", run.stages[0], [code])[code].ids
    kept, _ = tests[code].find(ids)
    return list(ids.take(kept.numpy()).to_pylist())


def write(file: Path, result: Json) -> None:
    """Whole or not at all; figures to seven digits."""
    text = json.dumps(_rounded(result), ensure_ascii=False, allow_nan=False)
    RunFolder(file.parent).write_text(file.name, text.replace('}, {"name"', '},\n{"name"') + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.7g}") if isinstance(value, float) and math.isfinite(value) else value


def known(root: Path, cells: Sequence[Cell]) -> tuple[dict[str, float | None], list[str]]:
    """Accuracy of the cells that have a result file, by their place; and those of another recipe.

    A name may have come to mean something else since the file was written.
    """
    found, other = dict[str, float | None](), []
    for cell in cells:
        if (file := path(root, cell)).is_file():
            result = record(file)
            found[cell.place] = average(result)
            if not as_planned(result, cell):
                other.append(cell.place)
    return found, other


def as_planned(result: Json, cell: Cell) -> bool:
    """Whether a result is of the recipe that its cell has now."""
    return _today(result["recipe"]) == _rounded(cell.setting.anonymous(cell.recipe))


def _today(recipe: Json) -> Json:
    """A recipe as this version writes it out: fields that came later have their defaults."""
    try:
        return dict(_rounded(Recipe.model_validate(recipe).model_dump(mode="json")))
    except ValidationError:
        return recipe


def write_rows(root: Path, place: Setting) -> None:
    """Write down, once a setting, which test rows share a premise.

    Texts of the source language decide: translators may have put one premise in several ways.
    """
    recipe: Recipe = load(place.recipe | {"contrastive": None, "self_training": None})
    tested = {code: target.test for code, target in recipe.data.targets.items() if target.test}
    code = place.source if place.source in tested else next(iter(tested), None)
    if code is None:
        return
    where, classes = f"data.targets.{code}.test", recipe.data.classes
    rows = read_labelled(
        tested[code], code, classes=classes, where=where, every_class=False
    ).rows  # those without a label are not scored
    file = root / place.name / f"rows-{bitmaps.named(rows.ids)}.json"
    if file.exists():
        return
    ordered = [rows.texts[i] if rows.pairs else rows.ids[i] for i in bitmaps.order(list(rows.ids))]
    groups = bitmaps.numbered(ordered)
    text = json.dumps({"unit": "premise" if rows.pairs else "row", "groups": groups})
    RunFolder(file.parent).write_text(file.name, text + "\n")
