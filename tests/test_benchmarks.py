"""Tables are what the result files say, and what is missing stays visible."""

import gzip
import json
from pathlib import Path
from statistics import mean, stdev

import pytest

import conlst
from conlst import recipe as recipes

BENCHMARKS = Path(conlst.__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)

from benchmarks import tables, xnli  # noqa: E402


def result(seed, accuracy, collapse=()):
    cell = {"accuracy": accuracy, "collapse": list(collapse)}
    over = {"over": ["fr"], "collapsed": ["fr"] if collapse else []}
    stage = {
        "name": "source",
        "languages": {"fr": cell},
        "average_targets": {"accuracy": accuracy, **over},
    }
    return {"seed": seed, "setting": "inductive", "languages": ["fr"], "stages": [stage]}


def test_a_cell_is_mean_and_spread_over_seeds():
    values = [0.40, 0.43, 0.46]
    text = tables.accuracy([result(seed, value) for seed, value in enumerate(values)])
    percent = [100 * value for value in values]
    assert f"{mean(percent):.1f} ± {stdev(percent):.1f}" in text
    assert "Seeds 0, 1, 2; inductive" in text


def test_a_collapsed_cell_is_left_out_and_said():
    text = tables.accuracy([result(1, 0.4), result(2, 0.9, collapse=["one class"])])
    assert "| source | 40.0 (1 of 2) | 40.0 (1 of 2) | 2 |" in text


def test_a_cell_that_nobody_measured_is_empty():
    text = tables.accuracy([result(1, None)])
    assert "| source | - | - | 1 |" in text


@pytest.mark.parametrize(
    "path", sorted((BENCHMARKS / "results").glob("xnli-*.json")), ids=lambda p: p.name
)
def test_a_result_says_where_it_is_from_and_names_no_folder_of_a_machine(path):
    kept = json.loads(path.read_text())
    assert kept.keys() >= {"recipe", "seed", "setting", "stages", "environment", "hashes"}
    assert '": "/' not in path.read_text()


def test_the_readme_holds_the_table_of_the_results():
    found = sorted((BENCHMARKS / "results").glob("xnli-mini-*.json"))
    if found:
        table = tables.accuracy([json.loads(p.read_text()) for p in found])
        assert table in (BENCHMARKS / "README.md").read_text(encoding="utf-8")


def test_the_xnli_setting_is_a_recipe_with_the_first_rows_as_pool(tmp_path):
    (tmp_path / "xnli").mkdir()
    lines = ["id\tpremise\thypothesis\tlabel", *(f"{i}\ta\tb\tneutral" for i in range(3000))]
    for code in ("en", "sw"):
        with gzip.open(tmp_path / f"xnli/dev.{code}.tsv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")
    pool = xnli.pools(tmp_path, ["en", "sw"], tmp_path / "out")
    assert (pool / "pool.sw.tsv").read_text().splitlines() == lines[: xnli.POOL_ROWS + 1]
    recipe = recipes.load(xnli.recipe(tmp_path, pool, 14, ["en", "sw"]))
    assert (recipe.seed, recipe.languages()) == (14, ["en", "sw"])
    assert recipe.data.targets["sw"].unlabelled.columns.label is None
