"""A study's cells, from the command to result files and tables; taken up, and never run twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import conlst

ROOT = Path(conlst.__file__).parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)

from benchmarks import bitmaps, cells, grid, keeping, recipes, results, study  # noqa: E402
from benchmarks import running as runs  # noqa: E402
from benchmarks.__main__ import main  # noqa: E402
from conlst import steps  # noqa: E402
from conlst.errors import BadInput  # noqa: E402
from tests.conftest import excerpt, write  # noqa: E402

SYSTEMS = ["zero-shot", "conlst"]


@pytest.fixture(scope="module")
def setting(tiny_encoder, files, tmp_path_factory):
    """A setting that a laptop runs in a second, with a language whose files are not there."""
    from tests.conftest import recipe

    raw = recipe.__wrapped__(tiny_encoder, files)
    raw["data"] |= {"adapt": "per_language", "languages": ["fr", "sw", "zh"], "targets": {}}
    raw["data"]["each"].pop("pool_gold")
    raw |= {"description": "A tiny setting.", "self_training": {"iterations": 1, "epochs": 1}}
    raw["source"]["epochs"] = 3
    folder = tmp_path_factory.mktemp("setting")
    gates = {"contrastive": {"fixed": {"threshold": 0.4}, "uniform": {"count": 2}}}
    gates["self_training"] = {"flexmatch": {"threshold": 0.4}}
    (folder / "tiny.budget.json").write_text(json.dumps({"parts": gates}))
    (folder / "tiny.json").write_text(json.dumps(raw))
    return folder / "tiny.json"


@pytest.fixture(scope="module")
def done(setting, tmp_path_factory):
    """The command in a process of its own, two workers: (its end, --out, --results)."""
    out, kept = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("results")
    asked = ["table3", "--systems", ",".join(SYSTEMS), "--languages", "fr,sw,zh", "--jobs", "2"]
    places = ["--setting", str(setting), "--out", str(out), "--results", str(kept)]
    command = [sys.executable, "-m", "benchmarks", *asked, *places]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return ended, out, kept


def planned(setting, languages=("sw",), seeds=(13,), systems=("conlst",)):
    plan, place = study.study("table3"), recipes.setting(str(setting))
    return cells.cells(plan, place, list(languages), list(seeds), list(systems))[0]


def test_every_cell_leaves_a_result_file_and_nothing_else(done):
    _, out, kept = done
    found = {path.relative_to(kept / "tiny").as_posix() for path in kept.rglob("*/*/*.json")}
    assert found == {f"{name}/{code}-13.json" for name in SYSTEMS for code in ("fr", "sw")}
    assert not (out / "tiny/conlst/sw-13").exists()
    assert len([path for path in (out / "shared").iterdir() if path.is_dir()]) == 1  # the source


def test_a_cell_that_fails_stops_no_other_and_is_told_at_the_end(done):
    ended, _, _ = done
    assert ended.returncode == 1
    told = ended.stderr[ended.stderr.index("cells to run") :]
    assert "tiny/conlst/zh-13 failed:" in told
    assert "pool.zh.tsv" in told
    assert "Traceback" not in told


def test_done_cells_are_not_run_again_and_their_table_is_printed(done, setting, monkeypatch):
    _, out, kept = done
    monkeypatch.setattr(runs, "run", None)
    asked = ["table3", "--systems", ",".join(SYSTEMS), "--languages", "fr,sw"]
    places = ["--setting", str(setting), "--out", str(out), "--results", str(kept)]
    again = CliRunner().invoke(main, [*asked, *places])
    assert again.exit_code == 0, again.output
    assert "0 of 4 cells to run" in again.output
    row = next(line for line in again.output.splitlines() if line.startswith("| zero-shot | 65.4"))
    shown = [
        results.record(kept / f"tiny/zero-shot/{code}-13.json")["stages"][0]["test"][code]
        for code in ("fr", "sw")
    ]
    assert [cell.strip() for cell in row.split("|")[3:5]] == [
        f"{100 * cell['accuracy']:.1f}" for cell in shown
    ]
    assert "| w/o mixup | 67.3 |  |  |  |  |  |  |  |" in again.output


def test_a_result_says_all_that_tables_need_and_names_no_folder(done, setting, files):
    _, _, kept = done
    text = (kept / "tiny/conlst/sw-13.json").read_text(encoding="utf-8")
    result = json.loads(text)
    assert str(files) not in text
    assert '": "/' not in text
    assert {"recipe", "environment", "hashes", "seed", "seconds", "peak_bytes"} <= result.keys()
    names = ["source", "contrastive", "self_training-1"]
    assert [stage["name"] for stage in result["stages"]] == names
    for stage in result["stages"]:
        test = stage["test"]["sw"]
        assert bitmaps.read(test["right"], test["n"]).mean() == pytest.approx(test["accuracy"])
    units = results.units(kept / "tiny", result["rows"]["sw"])
    assert len(units) == result["stages"][0]["test"]["sw"]["n"]


def test_the_very_recipe_of_a_cell_gives_its_numbers_without_sharing(done, setting, tmp_path):
    [cell] = planned(setting)
    result = results.record(done[2] / "tiny/conlst/sw-13.json")
    alone = conlst.run(cell.recipe, out=tmp_path / "alone")
    for stage, kept in zip(alone.data["stages"], result["stages"], strict=True):
        assert kept["test"]["sw"]["accuracy"] == pytest.approx(stage["languages"]["sw"]["accuracy"])
        assert kept["records"].keys() == stage["records"].keys()


def test_a_cell_that_was_stopped_goes_on(setting, tmp_path, monkeypatch):
    [cell] = planned(setting, seeds=[14])
    with monkeypatch.context() as patched:
        patched.setattr(steps.self_training, "train", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            runs.run(cell, tmp_path / "out", tmp_path / "results")
    assert not (tmp_path / "results").exists()
    monkeypatch.setattr(steps.contrastive, "train", None)  # it is there
    told = runs.run(cell, tmp_path / "out", tmp_path / "results")
    assert set(told["shared"]) == {"source", "contrastive"}
    assert keeping.path(tmp_path / "results", cell).is_file()
    assert not (tmp_path / "out" / cell.place).exists()


def test_a_result_under_a_name_that_means_something_else_now_is_told(done, setting):
    [cell] = planned(setting)
    assert keeping.known(done[2], [cell])[1] == []
    other = cells.Cell(**{**vars(cell), "recipe": cell.recipe | {"seed": 99}})
    assert keeping.known(done[2], [other])[1] == [cell.place]


def test_a_budget_fills_what_a_method_has_and_the_system_has_the_last_word(setting):
    place = recipes.setting(str(setting))
    nothing = recipes.resolved(place, {"extends": ["methods/zero-shot"]})
    assert nothing["contrastive"] is None
    own = {"contrastive": {"negatives": {"type": "uniform", "count": 7}}}
    made = recipes.resolved(place, {"extends": ["methods/conlst"], **own})
    assert made["contrastive"]["negatives"]["count"] == 7
    assert made["contrastive"]["confident"]["threshold"] == 0.4
    assert made["self_training"]["selector"]["threshold"] == 0.4


def test_what_is_unfit_here_is_refused_and_the_rest_is_planned(setting):
    bad = {"extends": ["methods/conlst"], "self_training": {"mode": "x"}}
    good = {"extends": ["methods/zero-shot"]}
    systems = [study.System("good", "", good), study.System("bad", "", bad)]
    plan = study.Study("s", "S", systems)
    found, refused = cells.cells(plan, recipes.setting(str(setting)), ["sw"], [13])
    assert [cell.system for cell in found] == ["good"]
    assert "self_training.mode" in refused["bad"]
    with pytest.raises(BadInput, match="no language 'tlh'"):
        cells.cells(plan, recipes.setting(str(setting)), ["tlh"], [13])


def test_one_model_for_some_languages_is_another_cell_than_one_for_others(setting):
    joint = study.System("j", "", {"extends": ["methods/conlst-joint"]})
    plan, place = study.Study("s", "S", [joint]), recipes.setting(str(setting))
    asked = [["sw"], ["fr", "sw"], ["sw", "fr"], place.languages]
    found = [cells.cells(plan, place, languages, [13])[0] for languages in asked]
    names = [cell.name for [cell] in found]
    assert len(place.languages) > 2
    assert names == ["j/sw-13", "j/fr+sw-13", "j/sw+fr-13", "j/joint-13"]


def test_test_rows_without_a_label_are_scored_by_nobody_and_grouped_by_nobody(setting, tmp_path):
    raw = json.loads(setting.read_text())
    rows = excerpt("test.sw", 20)
    write(tmp_path / "test.tsv", [[*rows[0][:2], ""], *rows[1:]])
    raw["data"]["languages"] = ["sw"]
    raw["data"]["each"]["test"] = {"path": str(tmp_path / "test.tsv")}
    (tmp_path / "gaps.json").write_text(json.dumps(raw))
    place = recipes.setting(str(tmp_path / "gaps.json"))
    (cell,), _ = cells.cells(study.study("table3"), place, ["sw"], [13], ["zero-shot"])
    runs.run(cell, tmp_path / "out", tmp_path / "results")
    keeping.write_rows(tmp_path / "results", place)
    kept = results.record(keeping.path(tmp_path / "results", cell))
    groups = results.units(tmp_path / "results/gaps", kept["rows"]["sw"])
    assert len(groups) == 19 == results.kept(kept, "sw")["n"]


def test_prefixes_are_made_before_those_who_share_them_start(setting, tmp_path):
    many = planned(setting, ["fr", "sw"], [13, 14], SYSTEMS)
    plan = grid.Grid(list(many), tmp_path)
    first, second = plan.next([]), plan.next([many[0]])
    assert first is many[0]
    assert second.seed == 14  # seed 13's source stage is just being made
    assert plan.next([first, second]) is None
    record = tmp_path / first.place / "checkpoints/source/record.json"
    record.parent.mkdir(parents=True)
    record.touch()
    assert plan.next([first, second]).seed == 13


def test_a_setting_whose_data_may_not_be_shipped_asks_where_they_are(tmp_path):
    with pytest.raises(BadInput, match="CONLST_BED"):
        recipes.setting("xnli-mini")
    place = recipes.setting("xnli-mini", tmp_path)
    whole = recipes.resolved(place, {"extends": ["methods/conlst"]})
    path = whole["data"]["targets"]["sw"]["unlabelled"]["path"]
    assert path == str(tmp_path / "xnli/dev.sw.tsv.gz")
    assert place.anonymous(path) == "{bed}/xnli/dev.sw.tsv.gz"


def test_a_name_means_one_recipe_in_all_studies():
    meanings = {}
    for name in study.names():
        for system in study.study(name).systems:
            assert meanings.setdefault(system.name, system.recipe) == system.recipe


@pytest.mark.parametrize("name", study.names())
def test_every_recipe_of_a_study_is_one(name, tmp_path):
    plan = study.study(name)
    place = recipes.setting((plan.settings or ["sib200"])[0], tmp_path)
    for system in plan.systems:
        if system.recipe is not None:
            assert recipes.resolved(place, system.recipe)["conlst"] == 1
