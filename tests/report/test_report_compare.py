"""`conlst compare`: runs side by side, on the same test rows only."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from conlst import BadInput, cli
from conlst.report import compare_tables, metrics
from conlst.report.compare import RESAMPLES, compare
from tests.report.test_report_html import assert_inert


@pytest.fixture
def two(bed, tmp_path):
    """Two runs on the same rows: the second is mostly right."""
    bed = bed()
    first = bed.write()
    second = tmp_path / "better"
    bed.run.rename(second)
    bed.run.mkdir()
    for file in second.rglob("*"):
        target = first / file.relative_to(second)
        target.mkdir(exist_ok=True, parents=True) if file.is_dir() else target.write_bytes(
            file.read_bytes()
        )
    bed.second = second
    edited(second, bed, right=0.9)
    recipe = json.loads((second / "recipe.json").read_text())
    recipe["contrastive"] |= {"loss": {"type": "negative"}, "negatives": None}
    (second / "recipe.json").write_text(json.dumps(recipe))
    return bed


def edited(run, bed, right):
    """Let the last stage be right on most test rows."""
    file = run / "predictions/self_training-2.parquet"
    table = pq.read_table(file)
    rng = np.random.default_rng(7)
    probabilities = [
        np.eye(3)[bed.gold["test", row["language"]][row["id"]]].tolist()
        if rng.random() < right
        else row["probabilities"]
        for row in table.to_pylist()
    ]
    at = table.column_names.index("probabilities")
    column = table.schema.field("probabilities")
    pq.write_table(table.set_column(at, column, pa.array(probabilities, column.type)), file)


def correct(run, bed, code):
    rows = pq.read_table(run / "predictions/self_training-2.parquet").to_pylist()
    return {
        row["id"]: int(np.argmax(row["probabilities"])) == bed.gold["test", code][row["id"]]
        for row in rows
        if row["language"] == code
    }


def test_accuracies_differences_and_intervals_are_those_of_a_slow_loop(two):
    compared, reports = compare([two.run, two.second])
    assert [run["label"] for run in compared["runs"]] == ["A run", "B better"]
    assert compared["over"] == ["fr", "sw"]
    ids = sorted(f"test{i}" for i in range(60))
    gains = []
    for code in ("fr", "sw"):
        before, after = correct(two.run, two, code), correct(two.second, two, code)
        gains.append([int(after[id]) - int(before[id]) for id in ids])
        cell = compared["differences"][1][code]
        assert cell["value"] == pytest.approx(sum(gains[-1]) / 60)
        assert compared["runs"][1]["accuracy"][code] == pytest.approx(sum(after.values()) / 60)
    assert len(reports) == 2
    both = torch.tensor(gains).double().mean(0)[:, None]
    drawn = metrics.paired_bootstrap(both, torch.ones(60, 1), resamples=RESAMPLES)[:, 0]
    cell = compared["differences"][1][""]
    low, high = metrics.interval(drawn)
    assert (cell["low"], cell["high"]) == pytest.approx((low, high))
    assert cell["p"] == pytest.approx(metrics.two_sided(drawn))
    assert cell["p"] < 0.01


def test_recipes_differ_where_they_differ(two):
    compared, _ = compare([two.run, two.second])
    grid = compare_tables.recipe(compared)
    assert [row[0].text for row in grid.rows] == [
        "contrastive.loss",
        "contrastive.negatives",
    ]


def test_the_command_prints_tables_and_writes_a_page_that_needs_nothing(two, tmp_path):
    page = tmp_path / "compare.html"
    result = CliRunner().invoke(
        cli.main, ["compare", str(two.run), str(two.second), "--out", str(page)]
    )
    assert result.exit_code == 0, result.output
    assert re.search(r"B better +\S+", result.output)
    assert "(95 % interval)" in result.output
    read = assert_inert(page.read_text())
    said = " ".join(read.words)
    assert "Better than A run: B better." in said
    assert "contrastive.loss" in said
    assert read.tags.count("svg") == 2
    assert said.count("fr: A run") == 1  # its panel of Fig. 3, beside
    assert said.count("fr: B better") == 1  # that of the other run


def test_runs_on_other_rows_are_refused_and_named(two):
    file = two.second / "predictions/self_training-2.parquet"
    table = pq.read_table(file)
    keep = [row["id"] != "test7" for row in table.to_pylist()]
    pq.write_table(table.filter(keep), file)
    with pytest.raises(BadInput, match=r"better: its test rows of 'en' .* 'test7'"):
        compare([two.run, two.second])


def test_one_run_and_other_classes_are_refused(two):
    with pytest.raises(BadInput, match="two or more runs"):
        compare([two.run])
    data = json.loads((two.second / "data.json").read_text())
    (two.second / "data.json").write_text(json.dumps(data | {"classes": ["a", "b", "d"]}))
    with pytest.raises(BadInput, match=r"better.*other classes|label"):
        compare([two.run, two.second])
    result = CliRunner().invoke(cli.main, ["compare", str(two.run), "nowhere"])
    assert result.exit_code == 2
    assert "nowhere: no run folder" in result.stderr


def test_a_run_differs_from_itself_by_nothing(two):
    compared, _ = compare([two.run, two.run])
    assert compared["differences"][1][""] == {"value": 0, "low": 0, "high": 0, "p": 1}
    assert compared["recipe"] == {}
