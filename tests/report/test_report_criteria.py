"""Criteria without labels, judged by gold: values, choices and ranks."""

import json

import numpy as np
import pytest

from conlst.report import parts
from conlst.report.build import build
from conlst.report.markdown import markdown


def slow_entropy(bed, stage, code):
    rows = [r for r in bed.tables[f"pseudo_labels/{stage}"] if r["language"] == code]
    p = np.array([r["probabilities"] for r in rows], dtype=np.float64)
    return float((p * np.log(p)).sum(1).mean() / np.log(p.shape[1]))


def test_a_criterion_is_computed_from_the_files_and_ranked_by_test_accuracy(bed):
    bed = bed()
    report = build(bed.write())
    for code in ("fr", "sw"):
        judged = report["criteria"][code]
        assert judged["of"] == "test"
        for stage in report["stages"]:
            assert judged["accuracy"][stage["name"]] == stage["languages"][code]["accuracy"]
        found = judged["criteria"]["entropy"]
        slow = {name: slow_entropy(bed, name, code) for name in bed.stages}
        assert found["values"] == pytest.approx(slow, abs=1e-5)
        assert found["chosen"] == max(slow, key=slow.get)
        assert found["accuracy"] == judged["accuracy"][found["chosen"]]
        assert -1 <= found["rank_correlation"] <= 1
        assert judged["criteria"]["agreement"]["values"]["source"] is None  # nothing before it
        assert set(judged["criteria"]["source_guard"]["values"].values()) == {0.8}
        assert judged["criteria"]["source_guard"]["rank_correlation"] is None  # all alike


def test_agreement_compares_rows_by_id_not_by_their_place(bed):
    bed = bed()
    report = build(bed.write())
    by_stage = [
        {
            r["id"]: int(np.argmax(r["probabilities"]))
            for r in bed.tables[f"pseudo_labels/{name}"]
            if r["language"] == "sw"
        }
        for name in ("source", "contrastive")
    ]
    was, now = ([labels[id] for id in sorted(labels)] for labels in by_stage)
    sklearn = pytest.importorskip("sklearn.metrics")
    found = report["criteria"]["sw"]["criteria"]["agreement"]["values"]["contrastive"]
    assert found == pytest.approx(sklearn.cohen_kappa_score(was, now))


def test_without_test_rows_the_pool_judges_and_without_gold_nobody(bed):
    run = bed(no_test=("sw",)).write()
    assert build(run)["criteria"]["sw"]["of"] == "pool"
    assert build(run)["criteria"]["fr"]["of"] == "test"


def test_without_any_gold_nothing_is_ranked(bed):
    report = build(bed(no_test=("fr", "sw"), pool_gold=False).write())
    assert report["criteria"] == {}
    assert parts.ranking(report).rows == []


def test_what_the_run_noted_of_its_own_criterion_is_ranked_too(bed):
    run = bed().write()
    recipe = json.loads((run / "recipe.json").read_text())
    recipe["self_training"]["stop"] = {"type": "nowhere:Part"}
    (run / "recipe.json").write_text(json.dumps(recipe))
    record = run / "checkpoints/self_training-2/record.json"
    values = [0.1, None, 0.7]
    record.write_text(json.dumps(json.loads(record.read_text()) | {"criterion": values}))
    found = build(run)["criteria"]["fr"]["criteria"]["stop: nowhere:Part"]
    assert found["values"] == {"contrastive": 0.1, "self_training-1": None, "self_training-2": 0.7}
    assert found["chosen"] == "self_training-2"


def test_the_table_tells_what_a_choice_would_have_cost(bed):
    report = build(bed().write())
    grid = parts.ranking(report)
    row = next(row for row in grid.rows if row[0].text == "entropy")
    lost = [
        max(judged["accuracy"].values()) - judged["criteria"]["entropy"]["accuracy"]
        for judged in report["criteria"].values()
    ]
    assert row[3].text == f"{100 * sum(lost) / 2:.1f}"
    assert "Figures without labels, judged by gold" in markdown(report)
