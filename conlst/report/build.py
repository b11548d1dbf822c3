"""`report.json`: every figure of a run, from the files in its folder and gold joined by id."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conlst import __version__
from conlst.report import changes, criteria, gold, pools, scores
from conlst.report.files import EVERY, RunFiles, StageFiles, open_run

OVERLAP = 0.01
"""Above this share of test texts in the pool a run is transductive."""

Json = dict[str, Any]


def build(folder: Path) -> Json:
    """All figures of a run, ready to be written as strict JSON.

    Raises:
        BadInput: the folder misses files, or gold does not match its rows by id.
    """
    run = open_run(folder)
    tests = gold.of_tests(run.recipe.data, run.classes)
    pool_gold = gold.of_pools(run.recipe.data, run.classes)
    seen = pools.views_of(run, pool_gold)
    scored, handed_out = scores.by_stage(run, tests)
    pooled = pools.by_stage(run, pool_gold, seen)
    stages = [
        _stage_facts(stage) | on_tests | on_pool
        for stage, on_tests, on_pool in zip(run.stages, scored, pooled, strict=True)
    ]
    notes = [*(run.data.get("notes") or []), *_gold_notes(run, tests, pool_gold, stages[0])]
    parts = {
        "data": run.data | {"notes": notes},
        "stages": stages,
        "handed_out": handed_out,
        "criteria": criteria.ranked(run, seen, stages),
        "changes": changes.counted(run, seen, handed_out["stages"]),
    }
    return dict(finite(_head(run) | parts))


def _gold_notes(
    run: RunFiles,
    tests: Mapping[str, gold.GoldTable],
    pool_gold: Mapping[str, gold.GoldTable],
    source: Json,
) -> list[str]:
    """How gold was read, and which rows or labels found no partner."""
    unused = "label(s) without a row (or its text) are not used"
    both = [*tests.values(), *pool_gold.values()]
    notes = [f"{table.where}: {note}" for table in both for note in table.notes]
    for code, table in tests.items():
        n, sizes = source["languages"][code]["n"], run.data.get("languages", {}).get(code, {})
        if (missing := (sizes.get("test") or n) - n) > 0:
            notes.append(f"{table.where}: {missing} row(s) without a label are left out")
        if spare := len(table.ids) - n:
            notes.append(f"{table.where}: {spare} {unused}")
    for code, table in pool_gold.items():
        if spare := len(table.ids) - source["pool"][code]["n"]:
            notes.append(f"{table.where}: {spare} {unused}")
    return notes


def finite(value: Any) -> Any:
    """The same with null in the place of every number that JSON cannot write.

    Examples:
        >>> finite({"a": [1.0, float("nan")]})
        {'a': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def setting(languages: Mapping[str, Mapping[str, Any]]) -> str:
    """Transductive, if the test texts of any target stand in the pool it was adapted on.

    Examples:
        >>> setting({"fr": {"test_in_pool": 0.0}, "sw": {"test_in_pool": None}})
        'inductive'
    """
    shares = [facts.get("test_in_pool") or 0 for facts in languages.values()]
    return "transductive" if max(shares, default=0) > OVERLAP else "inductive"


def _head(run: RunFiles) -> Json:
    recipe = run.recipe
    languages = recipe.data.languages()
    collapsed = any(stage.collapse(code) for stage in run.stages for code in languages)
    return {
        "conlst": __version__,
        "name": recipe.name,
        "finished": run.finished,
        "setting": setting(run.data.get("languages", {})),
        "adapt": recipe.data.adapt,
        "languages": languages,
        "adapted": recipe.data.adapted(),
        "source_language": recipe.data.source.language,
        "classes": run.classes,
        "seed": recipe.seed,
        "collapsed": collapsed,
        "warnings": _warnings(run),
        "environment": run.environment,
    }


def _warnings(run: RunFiles) -> list[str]:
    """What the stages warned of, each said once, with its place."""
    lines = [
        f"{stage.name}{'' if code == EVERY else f' ({code})'}: {warning}"
        for stage in run.stages
        for code, record in stage.records.items()
        for warning in record.get("warnings") or []
    ]
    return list(dict.fromkeys(lines))


def _stage_facts(stage: StageFiles) -> Json:
    """Time, and what the run itself wrote down of the stage, by language or for all."""
    kept = ["seconds", "steps", "tokens", "padding", "peak_memory"]
    kept += ["source_dev", "facts", "criterion"]
    return {
        "name": stage.name,
        "seconds": float(sum(record.get("seconds") or 0 for record in stage.records.values())),
        "records": {
            code: {name: record.get(name) for name in kept}
            for code, record in stage.records.items()
        },
    }
