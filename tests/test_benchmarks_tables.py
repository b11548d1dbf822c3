"""Tables are what the result files say; what is missing stays empty, what is mixed is called so."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest

import conlst

BENCHMARKS = Path(conlst.__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)

from benchmarks import accuracy, bitmaps, cells, figures, keeping, recipes, scores, study, tables  # noqa: E402

ROWS = 40
GROUPS = (("a", 0.4, 10), ("b", 0.7, 20), ("c", 0.5, 10))
"""Name, accuracy and rows of kinds of test rows."""


def stage(name, code, correct, *, collapse=(), facts=None):
    """What a result file says of a stage that gets the first rows right."""
    right = np.arange(ROWS) < correct
    cell = {"accuracy": correct / ROWS, "macro_f1": 0.5, "n": ROWS, "right": bitmaps.written(right)}
    band = {"n": 10, "share": 0.25, "accuracy": 0.5}
    bands = {">.9": band, ".5-.9": band, "<.5": {"n": 0, "share": 0.0, "accuracy": None}}
    counts = {"edges": [0.0, 0.5, 1.0], "n": [10, 30], "clean": [4, 20], "noisy": [6, 10]}
    named = {"class_balance": {"all": [30, 2, 8]}, "gold_balance": [10, 10, 20]}
    cell |= {"calibration_error": 0.25}
    pool = named | {"accuracy": 0.4, "bands": bands, "bands_before": bands, "histogram": counts}
    return {
        "name": name,
        "seconds": 1.0,
        "test": {code: cell | {"collapse": list(collapse), "rolled_back": []}},
        "pool": {code: pool},
        "complement": {code: {"error_rate": 0.3, "estimated_error_rate": 0.2}},
        "curve": {code: [{"step": 0, "accuracy": 0.4}, {"step": 9, "accuracy": 0.5}]},
        "records": {code: {"facts": facts or {}}},
    }


def result(code, seed, stages, kept=None):
    versions = {"conlst": "0", "torch": "0", "transformers": "0"}
    return {
        "languages": [code],
        "seed": seed,
        "source_language": "en",
        "classes": ["a", "b", "c"],
        "transfer": "inductive",
        "seconds": 9.0,
        "environment": {"device": "cpu", "versions": versions},
        "rows": {code: "r"},
        "kept": {code: kept or stages[-1]["name"]},
        "stages": stages,
    }


@pytest.fixture
def root(tmp_path):
    """A folder of results, with premises of four rows each."""
    (tmp_path / "s").mkdir()
    units = {"unit": "premise", "groups": [i // 4 for i in range(ROWS)]}
    (tmp_path / "s/rows-r.json").write_text(json.dumps(units))
    return tmp_path


def put(root, system, code, seed, *correct, **more):
    """A result of a system: rows right after the source stage, after stage 1, ..."""
    names = ["source", "contrastive", "self_training-1"]
    kept = more.pop("kept", None)
    stages = [stage(name, code, n, **more) for name, n in zip(names, correct, strict=False)]
    file = root / "s" / system / f"{code}-{seed}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result(code, seed, stages, kept)))


PLAN = study.Study(
    "t",
    "T",
    [
        study.System("zero", "zero-shot", {}, paper=65.4),
        study.System("ours", "CoNLST", {}, paper=68.5),
        study.System("theirs", "X-MAML"),
    ],
    baselines=["zero"],
)


def line(text, label):
    row = next(row for row in text.splitlines() if row.startswith(f"| {label}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_cell_is_mean_and_spread_over_seeds_and_averages_are_recomputed(root):
    for seed, n in ((13, 16), (14, 20)):
        for code in ("en", "fr", "sw"):
            put(root, "zero", code, seed, n + (code == "fr"))
    row = line(tables.of_study(PLAN, "s", root), "zero-shot")
    fr = [100 * n / ROWS for n in (17, 21)]
    both = [100 * mean([n + 1, n]) / ROWS for n in (16, 20)]
    assert row[1] == "65.4"
    assert row[3] == f"{mean(fr):.1f} ± {stdev(fr):.1f}"
    assert row[5] == f"{mean(both):.1f} ± {stdev(both):.1f}"


def test_what_nobody_measured_is_empty_and_an_average_needs_all_its_cells(root):
    put(root, "zero", "fr", 13, 16)
    put(root, "zero", "sw", 13, 16)
    put(root, "ours", "fr", 13, 16, 18)
    text = tables.of_study(PLAN, "s", root)
    assert line(text, "CoNLST") == [
        *["CoNLST", "68.5", "45.0", "", "", "", "1"],
        *["+5.0 (+0.0 to +15.0) in fr", "0.68"],
    ]
    assert line(text, "X-MAML (imported)") == ["X-MAML (imported)", *[""] * 8]
    assert tables.of_study(PLAN, "elsewhere", root) == tables.NOTHING


def test_a_model_that_broke_is_told_and_the_stage_before_it_counts(root):
    put(root, "ours", "sw", 13, 20, 10, collapse=["one class"], kept="source")
    text = tables.of_study(PLAN, "s", root)
    assert line(text, "CoNLST")[2] == "50.0"
    assert "CoNLST: 2 collapsed; the stage before it counts." in text


def test_a_model_for_several_languages_breaks_once():
    broken = [stage("contrastive", code, 10, collapse=["one class"]) for code in ("fr", "sw")]
    both = broken[0] | {"test": broken[0]["test"] | broken[1]["test"]}
    joint = result("fr", 13, [both]) | {"languages": ["fr", "sw"]}
    assert accuracy.withdrawn(scores.Scores.of(PLAN.systems[0], [joint])) == "1 collapsed"


def test_an_average_over_mixed_configurations_is_called_so(root):
    skipped = {"augment": {"languages": {}, "skipped": ["sw"]}}
    put(root, "ours", "fr", 13, 20, 22)
    put(root, "ours", "sw", 13, 20, 22, facts=skipped)
    text = tables.of_study(PLAN, "s", root)
    assert line(text, "CoNLST")[0] == "CoNLST (mixed)"
    assert "CoNLST: a mixed configuration, no translator was there in sw" in text


def test_a_system_that_nowhere_did_what_its_name_says_is_called_so(root):
    skipped = {"augment": {"languages": {}, "skipped": ["sw"]}}
    put(root, "ours", "sw", 13, 20, 22, facts=skipped)
    text = tables.of_study(PLAN, "s", root)
    assert line(text, "CoNLST")[0] == "CoNLST (without back-translation)"


def test_accuracy_is_told_after_every_stage(root):
    put(root, "ours", "sw", 13, 10, 20, 30)
    text = tables.of_study(PLAN, "s", root)
    later = text[text.index("After each stage") :]
    assert line(later, "CoNLST") == ["CoNLST", "25.0", "50.0", "75.0"]


def test_the_baseline_is_compared_over_the_seeds_that_both_have(root):
    for seed in (13, 14):
        put(root, "zero", "sw", seed, 10)
    put(root, "ours", "sw", 13, 10, 30)
    row = line(tables.of_study(PLAN, "s", root), "CoNLST")
    assert row[-2].startswith("+50.0 (")
    assert float(row[-1]) < 0.05


def test_a_system_is_paired_with_every_baseline_and_p_is_corrected_for_all(root):
    plan = replace(PLAN, baselines=["zero", "ours"])
    for name, n in (("zero", 10), ("ours", 20), ("theirs", 30)):
        put(root, name, "sw", 13, n)
    text = tables.of_study(plan, "s", root)
    head = next(row for row in text.splitlines() if row.startswith("| system"))
    assert "| targets, against zero-shot | p | targets, against CoNLST | p |" in head
    assert [line(text, "zero-shot")[i] for i in (-4, -3)] == ["", ""]
    assert line(text, "zero-shot")[-2].startswith("-25.0 (")
    assert line(text, "X-MAML")[-4].startswith("+50.0 (")
    alone = tables.of_study(replace(PLAN, systems=[PLAN.systems[i] for i in (0, 2)]), "s", root)
    assert float(line(text, "X-MAML")[-3]) > float(line(alone, "X-MAML")[-1])


def test_cells_of_two_kinds_of_machine_are_not_paired(root):
    put(root, "zero", "sw", 13, 10)
    put(root, "ours", "sw", 13, 10, 30)
    file = root / "s/ours/sw-13.json"
    told = json.loads(file.read_text())
    told["environment"]["device"] = "cuda (NVIDIA H200)"
    file.write_text(json.dumps(told))
    text = tables.of_study(PLAN, "s", root)
    assert line(text, "CoNLST")[-2:] == ["", ""]
    assert "CoNLST: not compared with zero-shot, run on another kind of machine." in text


def test_of_several_models_for_a_language_that_for_most_counts():
    alone, both = stage("source", "sw", 10), stage("source", "sw", 30)
    wide = result("sw", 13, [both]) | {"languages": ["fr", "sw"]}
    for found in ([result("sw", 13, [alone]), wide], [wide, result("sw", 13, [alone])]):
        assert scores.Scores.of(PLAN.systems[0], found).value(13, "sw") == 30 / ROWS


def test_a_stage_that_some_seeds_did_not_come_to_says_of_how_many_it_is(root):
    put(root, "ours", "sw", 13, 10, 20, 30)
    put(root, "ours", "sw", 14, 10, 20)
    text = tables.of_study(PLAN, "s", root)
    later = line(text[text.index("After each stage") :], "CoNLST")
    assert later[2:] == ["50.0 ± 0.0", "75.0 (1 of 2 seeds)"]


def test_a_system_run_in_some_languages_is_compared_in_those_and_says_so(root):
    for code, n in (("fr", 30), ("sw", 10)):
        put(root, "zero", code, 13, n)
    put(root, "ours", "sw", 13, 10, 30)
    text = tables.of_study(PLAN, "s", root)
    row = line(text, "CoNLST")
    assert row[-2].startswith("+50.0 (")  # zero-shot's average over both would make it +25.0
    assert row[-2].endswith(") in sw")
    later = text[text.index("After each stage") :]
    assert line(later, "CoNLST")[:3] == ["CoNLST in sw", "25.0", "75.0"]
    assert line(later, "zero-shot")[:2] == ["zero-shot", "50.0"]


def test_bands_are_counts_and_accuracies_before_and_after(root):
    plan = study.Study("b", "B", PLAN.systems, kind="bands")
    for seed in (13, 14):
        put(root, "ours", "sw", seed, 10, 20)
    row = line(tables.of_study(plan, "s", root), "CoNLST")
    assert row[:5] == ["CoNLST", "sw", "2", "10", "50.0 ± 0.0"]
    assert row[-2:] == ["0", ""]  # no row is below .5, so none is right


def test_classes_tell_how_often_complementary_labels_err(root):
    plan = study.Study("c", "C", PLAN.systems, kind="classes")
    put(root, "ours", "sw", 13, 10, 20)
    row = line(tables.of_study(plan, "s", root), "CoNLST")
    assert row == ["CoNLST", "3", "25.0", "50.0", "+25.0", "30.0", "30.0", "1"]


def test_balance_tells_how_often_a_class_is_named_and_what_the_last_selection_trusted(root):
    plan = study.Study("b", "B", PLAN.systems, kind="balance", languages=["sw"])
    put(root, "zero", "sw", 13, 10)
    put(root, "zero", "fr", 13, 40)
    put(root, "ours", "sw", 13, 10, 20, 30)
    file = root / "s/ours/sw-13.json"
    told = json.loads(file.read_text())
    told["stages"][2]["selection"] = {"sw": {"coverage": 0.9, "precision": 0.4}}
    file.write_text(json.dumps(told))
    text = tables.of_study(plan, "s", root)
    assert line(text, "gold")[1:4] == ["25 %", "25 %", "50 %"]
    named = ["75 %", "5 %", "20 %"]
    assert line(text, "zero-shot")[1:] == [*named, "", "", "0.25", "1"]
    assert line(text, "CoNLST")[1:] == [*named, "90 %", "40 %", "0.25", "1"]
    told["kept"]["sw"] = "contrastive"  # the model of stage 2 was not handed out
    file.write_text(json.dumps(told))
    assert line(tables.of_study(plan, "s", root), "CoNLST")[4:6] == ["", ""]


def test_groups_are_averaged_by_their_rows_and_gains_are_paired(root):
    plan = replace(PLAN, kind="groups", groups={"seen": ["a", "b"], "other": ["c"]})
    for name, seeds, gain in (("zero", (13, 14), 0.0), ("ours", (13,), 0.1)):
        for seed in seeds:
            put(root, name, "sw", seed, 10, *[20] * (name == "ours"))
            file = root / f"s/{name}/sw-{seed}.json"
            told = json.loads(file.read_text())
            groups = {k: {"accuracy": a + gain, "n": n} for k, a, n in GROUPS}
            told["stages"][-1]["test"]["sw"]["groups"] = groups
            file.write_text(json.dumps(told))
    text = tables.of_study(plan, "s", root)
    seen = 100 * (0.4 * 10 + 0.7 * 20) / 30
    assert line(text, "zero-shot")[1:] == ["sw", "2", f"{seen:.1f} ± 0.0", "", "50.0 ± 0.0", ""]
    assert line(text, "CoNLST")[1:] == ["sw", "1", f"{seen + 10:.1f}", "+10.0", "60.0", "+10.0"]


def test_a_summary_is_of_the_targets_that_a_system_has_and_counts_those_that_gain(root):
    plan = replace(PLAN, kind="summary")
    for code, n in (("en", 39), ("fr", 20), ("sw", 10), ("ur", 10)):
        put(root, "zero", code, 13, n)
    for code, n in (("en", 5), ("fr", 18), ("sw", 30)):
        put(root, "ours", code, 13, 10, n)
    text = tables.of_study(plan, "s", root)
    assert line(text, "zero-shot")[:5] == ["zero-shot", "all 3", "1", "33.3", ""]
    row = line(text, "CoNLST")
    assert row[:5] == ["CoNLST", "fr, sw", "1", "60.0", "37.5"]
    assert row[5].startswith("+22.5 (")
    assert row[-1] == "1 of 2"


@pytest.mark.drawn
def test_figures_are_drawn_from_results_and_linked(tmp_path, root):
    root = root.rename(tmp_path.parent / f"{tmp_path.name}-results")
    plan = study.study("figures")
    for name in (figures.CONL, figures.NL, "zero-shot", "conlst"):
        for code in ("fr", "sw"):
            put(root, name, code, 13, *((10,) if name == "zero-shot" else (10, 20)))
    drawn = figures.draw(plan, "s", root)
    assert [file.name for file in drawn] == [f"s-{name}.png" for name in figures.FILES]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in drawn)
    assert "![s-curve](figures/s-curve.png)" in tables.of_study(plan, "s", root)


def test_changes_are_of_the_seeds_that_came_to_stage_1(root):
    plan = study.Study("c", "C", PLAN.systems, kind="classes")
    put(root, "ours", "sw", 13, 10, 20)
    put(root, "ours", "sw", 14, 40)
    assert line(tables.of_study(plan, "s", root), "CoNLST")[2:5] == ["25.0", "50.0", "+25.0"]


def test_a_table_stands_between_its_markers():
    text = "a\n<!-- t s -->\nold\n<!-- /t s -->\nb"
    assert tables.put(text, "t s", "new") == "a\n<!-- t s -->\nnew\n<!-- /t s -->\nb"
    assert tables.put("nothing here", "t s", "new") == "nothing here"


def test_the_readme_holds_the_tables_of_the_results():
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    for marker, table in tables.every().items():
        assert tables.put(text, marker, table) == text, marker


def test_results_are_of_the_recipes_that_the_studies_have_now(tmp_path):
    """A changed budget or method would leave tables of what is no more; translators may differ."""
    (tmp_path / "xnli-tune").mkdir()
    (tmp_path / "xnli-tune/nli").symlink_to(tmp_path / "nli")  # as `tune` makes its bed
    meaning = {s.name: s.recipe for name in study.names() for s in study.study(name).systems}
    other, misplaced, places = [], [], {}
    for path in sorted((BENCHMARKS / "results").glob("*/*/*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        where, system = told["cell"]["setting"], told["cell"]["system"]
        place = places.setdefault(where, recipes.setting(where, tmp_path / where))
        if (where, system) not in places:
            own = place.own(system, meaning[system])
            places[where, system] = recipes.resolved(place, own)
        whole, codes, seed = places[where, system], told["languages"], told["seed"]
        recipe = recipes.of_cell(whole, codes, seed, system)
        [(languages, name)] = cells.models_of(whole, codes, place)
        cell = cells.Cell(place, system, languages, name, seed, recipe)
        if "apertium" not in json.dumps(recipe) and not keeping.as_planned(told, cell):
            other.append(cell.place)
        if path != keeping.path(BENCHMARKS / "results", cell):
            misplaced.append(cell.place)
    assert other == misplaced == []


@pytest.mark.parametrize(
    "path", sorted((BENCHMARKS / "results").glob("*/*/*.json")), ids=lambda p: p.parent.name
)
def test_a_result_says_where_it_is_from_and_names_no_folder_of_a_machine(path):
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept.keys() >= {"recipe", "seed", "stages", "environment", "hashes", "rows"}
    assert [text for text in texts(kept) if text.startswith("/")] == []


def texts(value):
    """Every text in a result but the bitmaps, whose letters hold a slash."""
    if isinstance(value, dict):
        return [text for key in value if key != "right" for text in texts(value[key])]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_languages_stand_in_the_paper_s_order():
    assert scores.ordered(["ur", "xx", "en", "sw", "en"]) == ["en", "sw", "ur", "xx"]
