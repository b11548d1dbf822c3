"""`report.json` from a synthetic run folder."""

import json

import pyarrow.parquet as pq
import pytest

from conlst import BadInput
from conlst.report import gold
from conlst.report.build import build, finite, setting


def strict(report):
    return json.loads(json.dumps(report, allow_nan=False))


def stage_of(report, name):
    return next(stage for stage in report["stages"] if stage["name"] == name)


def slow_accuracy(bed, place, kind, code):
    rows = [row for row in bed.tables[place] if row["language"] == code]
    right = [
        max(range(3), key=row["probabilities"].__getitem__) == bed.gold[kind, code][row["id"]]
        for row in rows
    ]
    return sum(right) / len(right)


def test_joint_report_holds_every_stage_and_language(bed):
    bed = bed()
    report = build(bed.write())
    assert strict(report) == report
    assert [stage["name"] for stage in report["stages"]] == bed.stages
    assert report["finished"]
    assert not report["collapsed"]
    assert report["languages"] == ["en", "fr", "sw"]
    assert (report["adapt"], report["seed"]) == ("joint", 13)
    for stage in report["stages"]:
        for code, cell in stage["languages"].items():
            assert cell["accuracy"] == slow_accuracy(
                bed, f"predictions/{stage['name']}", "test", code
            )
            assert cell["n"] == 60
            assert sum(group["n"] for group in cell["groups"].values()) == 60
        cells = stage["languages"]
        mean = (cells["fr"]["accuracy"] + cells["sw"]["accuracy"]) / 2
        assert stage["average_targets"]["accuracy"] == pytest.approx(mean)
        assert stage["average_targets"]["over"] == ["fr", "sw"]
        assert stage["average"]["over"] == ["en", "fr", "sw"]


def test_pool_figures_are_joined_by_id(bed):
    bed = bed()
    report = build(bed.write())
    for name in bed.stages:
        for code in ("fr", "sw"):
            cell = stage_of(report, name)["pool"][code]
            assert cell["accuracy"] == slow_accuracy(bed, f"pseudo_labels/{name}", "pool", code)
            assert sum(cell["class_balance"]["all"]) == sum(cell["gold_balance"]) == cell["n"] == 60
            assert sum(cell["class_balance"]["confident"]) == cell["bands"][">.9"]["n"]
            assert sum(cell["histogram"]["n"]) == 60
    source, after = (stage_of(report, name)["pool"]["fr"] for name in bed.stages[:2])
    assert after["bands_before"] == source["bands"]
    assert source["changed"] is None
    assert "bands_before" not in source


def test_changed_labels_are_compared_by_id(bed):
    bed = bed()
    report = build(bed.write())
    label = [
        {
            row["id"]: max(range(3), key=row["probabilities"].__getitem__)
            for row in bed.tables[f"pseudo_labels/{name}"]
            if row["language"] == "sw"
        }
        for name in bed.stages[:2]
    ]
    share = sum(label[0][i] != label[1][i] for i in label[0]) / 60
    assert stage_of(report, "contrastive")["pool"]["sw"]["changed"] == pytest.approx(share)


def test_complement_is_judged_by_gold_and_by_the_source_model(bed):
    bed = bed()
    found = stage_of(build(bed.write()), "contrastive")["complement"]["fr"]
    before = {r["id"]: r for r in bed.tables["pseudo_labels/source"] if r["language"] == "fr"}
    wrong, estimate = [], []
    for row in bed.tables["pseudo_labels/contrastive"]:
        held = [c for c in range(3) if row["complement"][c]]
        if row["language"] == "fr" and held:
            wrong.append((bed.gold["pool", "fr"][row["id"]] in held) / len(held))
            estimate.append(sum(before[row["id"]]["probabilities"][c] for c in held) / len(held))
    assert found["anchors"] == len(wrong)
    assert found["error_rate"] == pytest.approx(sum(wrong) / len(wrong))
    assert found["estimated_error_rate"] == pytest.approx(sum(estimate) / len(estimate))


def test_selection_and_curve(bed):
    bed = bed()
    report = build(bed.write())
    rows = [r for r in bed.tables["pseudo_labels/self_training-1"] if r["language"] == "fr"]
    taken = [r for r in rows if r["selected"]]
    right = sum(r["label"] == bed.gold["pool", "fr"][r["id"]] for r in taken)
    found = stage_of(report, "self_training-1")["selection"]["fr"]
    assert found["n"] == len(taken) == sum(found["class_balance"])
    assert found["coverage"] == pytest.approx(len(taken) / 60)
    assert found["precision"] == pytest.approx(right / len(taken))
    line = stage_of(report, "contrastive")["curve"]["fr"]
    assert [point["step"] for point in line] == [0, 7]
    assert all(sum(point["class_balance"]) == 20 for point in line)
    rows = [r for r in bed.tables["pseudo_labels/contrastive-curve"] if r["language"] == "fr"]
    right = [r["label"] == bed.gold["pool", "fr"][r["id"]] for r in rows if r["step"] == 7]
    assert line[1]["accuracy"] == pytest.approx(sum(right) / 20)


def test_differences_to_the_source_stage(bed):
    report = build(bed().write())
    source, last = report["stages"][0], report["stages"][-1]
    assert source["average"]["difference"] is None
    for code, cell in last["languages"].items():
        change = cell["difference"]
        value = cell["accuracy"] - source["languages"][code]["accuracy"]
        assert change["value"] == pytest.approx(value)
        assert change["low"] <= change["value"] <= change["high"]
    both = [last["languages"][code]["difference"] for code in ("fr", "sw")]
    average = last["average_targets"]["difference"]
    assert average["value"] == pytest.approx(sum(x["value"] for x in both) / 2)
    widest = max(x["high"] - x["low"] for x in both)
    assert 0 < average["high"] - average["low"] < widest


def test_the_same_folder_gives_the_same_report(bed):
    run = bed().write()
    assert build(run) == build(run)


def test_without_pool_gold_its_figures_are_null(bed):
    report = build(bed(pool_gold=False).write())
    stage = stage_of(report, "contrastive")
    cell = stage["pool"]["fr"]
    assert cell["accuracy"] is cell["calibration_error"] is cell["gold_balance"] is None
    assert cell["bands"][">.9"]["accuracy"] is None
    assert cell["bands"][">.9"]["n"] is not None
    assert cell["histogram"]["clean"] is None
    assert stage["complement"]["fr"]["error_rate"] is None
    assert stage["complement"]["fr"]["estimated_error_rate"] > 0
    assert {point["accuracy"] for point in stage["curve"]["fr"]} == {None}
    assert stage_of(report, "self_training-1")["selection"]["fr"]["precision"] is None


def test_per_language_cells_come_from_each_languages_own_model(bed):
    bed = bed(adapt="per_language")
    report = build(bed.write())
    stage = stage_of(report, "self_training-2")
    for code in ("fr", "sw"):
        place = f"predictions/{code}/self_training-2"
        assert stage["languages"][code]["accuracy"] == slow_accuracy(bed, place, "test", code)
    assert stage["languages"]["en"]["accuracy"] is stage["languages"]["en"]["n"] is None
    assert report["stages"][0]["languages"]["en"]["accuracy"] is not None
    assert stage["average"]["over"] == ["fr", "sw"]
    before = [report["stages"][0]["languages"][code]["accuracy"] for code in ("fr", "sw")]
    value = stage["average"]["accuracy"] - sum(before) / 2
    assert stage["average"]["difference"]["value"] == pytest.approx(value)
    assert stage["seconds"] == 4.0
    assert set(stage["records"]) == {"fr", "sw"}
    assert report["finished"]


@pytest.mark.parametrize("adapt", ["joint", "per_language"])
def test_a_language_without_test_rows_stays_empty(bed, adapt):
    report = build(bed(adapt=adapt, no_test=("sw",)).write())
    for stage in report["stages"]:
        assert stage["languages"]["sw"]["accuracy"] is None
        assert stage["average_targets"]["over"] == ["fr"]
        assert stage["pool"]["sw"]["accuracy"] is not None


def test_collapse_marks_the_cells_of_its_model(bed):
    report = build(bed(collapse={"self_training-1": ["one class took all"]}).write())
    assert report["collapsed"]
    assert report["finished"]
    assert [s["name"] for s in report["stages"]] == ["source", "contrastive", "self_training-1"]
    last = report["stages"][-1]
    assert {tuple(c["collapse"]) for c in last["languages"].values()} == {("one class took all",)}
    assert last["average"]["withdrawn"] == ["en", "fr", "sw"]
    assert report["stages"][1]["average"]["withdrawn"] == []


def test_collapse_of_one_language_leaves_the_others(bed):
    run = bed(adapt="per_language", collapse={"fr/contrastive": ["broke"]}).write()
    report = build(run)
    stage = stage_of(report, "contrastive")
    assert stage["languages"]["fr"]["collapse"] == ["broke"]
    assert stage["languages"]["sw"]["collapse"] == []
    assert stage["average_targets"]["withdrawn"] == ["fr"]
    assert stage_of(report, "self_training-1")["average_targets"]["over"] == ["sw"]
    assert report["finished"]


def test_an_unfinished_run_is_said_to_be(bed):
    run = bed(adapt="per_language").write()
    (run / "checkpoints/sw/self_training-2/record.json").unlink()
    report = build(run)
    assert not report["finished"]
    assert report["stages"][-1]["average_targets"]["over"] == ["fr"]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, "inductive"), (0.02, "transductive"), (None, "inductive")]
)
def test_setting(share, expected):
    assert setting({"fr": {"test_in_pool": 0.0}, "sw": {"test_in_pool": share}}) == expected


def test_finite_removes_what_json_cannot_write():
    found = finite({"a": (1, float("inf")), 2: {"b": float("nan")}})
    assert found == {"a": [1, None], "2": {"b": None}}


def test_ablations_without_a_stage(bed):
    report = build(bed(stages=["source", "self_training-1"]).write())
    assert [stage["name"] for stage in report["stages"]] == ["source", "self_training-1"]


def test_pool_gold_of_other_rows_is_refused(bed):
    bed = bed()
    run = bed.write()
    lines = (bed.path / "fr.pool.jsonl").read_text().splitlines()
    (bed.path / "fr.pool.jsonl").write_text("\n".join(lines[3:]))
    with pytest.raises(BadInput, match=r"fr.pool_gold.*3 of 60 row.*'pool"):
        build(run)
    pools = {code: list(bed.gold["pool", code]) for code in ("fr", "sw")}
    with pytest.raises(BadInput, match="no gold"):
        gold.check(bed.recipe().data, bed.classes, pools=pools)
    gold.check(bed.recipe().data, bed.classes)


def test_test_rows_without_a_label_are_left_out_and_counted(bed):
    bed = bed()
    run = bed.write()
    rows = [json.loads(line) for line in (bed.path / "fr.test.jsonl").read_text().splitlines()]
    rows[0]["label"] = rows[1]["label"] = ""
    rows.append({"id": "more", "text": "", "label": "a", "genre": "news"})
    (bed.path / "fr.test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = build(run)
    assert report["stages"][0]["languages"]["fr"]["n"] == 58
    notes = " ".join(report["data"]["notes"])
    assert "2 row(s) without a label are left out" in notes
    assert "1 label(s) without a row" in notes


def test_test_gold_of_no_row_is_refused(bed):
    bed = bed()
    run = bed.write()
    lines = (bed.path / "sw.test.jsonl").read_text().replace('"test', '"other')
    (bed.path / "sw.test.jsonl").write_text(lines)
    with pytest.raises(BadInput, match=r"sw.test: no gold for 60 of 60 row"):
        build(run)


def test_folders_that_are_no_run_are_refused(bed, tmp_path):
    with pytest.raises(BadInput, match=r"recipe\.json"):
        build(tmp_path)
    run = bed().write()
    (run / "predictions/contrastive.parquet").unlink()
    with pytest.raises(BadInput, match=r"predictions/contrastive\.parquet"):
        build(run)
    (run / "checkpoints/source/record.json").unlink()
    with pytest.raises(BadInput, match="no stage is finished"):
        build(run)


def test_tables_that_lack_columns_or_languages_are_refused(bed):
    run = bed().write()
    file = run / "pseudo_labels/contrastive.parquet"
    whole = pq.read_table(file)
    pq.write_table(whole.drop_columns(["complement"]), file)
    with pytest.raises(BadInput, match="no column 'complement'"):
        build(run)
    keep = [code == "fr" for code in whole["language"].to_pylist()]
    pq.write_table(whole.filter(keep), file)
    with pytest.raises(BadInput, match="no row of the language 'sw'"):
        build(run)
    file.write_bytes(b"no parquet")
    with pytest.raises(BadInput, match="cannot be read"):
        build(run)


def test_a_broken_recipe_or_record_is_named(bed):
    run = bed().write()
    (run / "checkpoints/contrastive/record.json").write_text("{")
    with pytest.raises(BadInput, match=r"record\.json: not JSON"):
        build(run)
    (run / "recipe.json").write_text('{"conlst": 1}')
    with pytest.raises(BadInput, match=r"recipe\.json: .* fault"):
        build(run)
