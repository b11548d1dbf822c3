"""Rows whose label changed: which they are, and what became of them."""

import json

import pyarrow.parquet as pq
import pytest

from conlst import BadInput
from conlst.report.build import build
from conlst.report.changes import changed_rows, table


def slow_labels(bed, stage, code):
    place = f"pseudo_labels/{stage}"
    return {
        r["id"]: max(range(3), key=r["probabilities"].__getitem__)
        for r in bed.tables[place]
        if r["language"] == code
    }


def test_rows_and_counts_are_those_of_a_slow_loop(bed):
    bed = bed()
    run = bed.write()
    report = build(run)
    rows = changed_rows(run, report)
    for code in ("fr", "sw"):
        was, now = slow_labels(bed, "source", code), slow_labels(bed, "self_training-2", code)
        truth = bed.gold["pool", code]
        expected = {id for id in was if was[id] != now[id]}
        assert {row.id for row in rows[code]} == expected
        for row in rows[code]:
            assert row.text == f"text {row.id}"
            assert row.before == bed.classes[was[row.id]]
            assert row.after == bed.classes[now[row.id]]
            assert row.gold == bed.classes[truth[row.id]]
        sure = [row.after_confidence for row in rows[code]]
        assert sure == sorted(sure, reverse=True)
        counts = report["changes"][code]
        assert counts["changed"] == len(expected)
        assert counts["mended"] == sum(now[id] == truth[id] for id in expected)
        assert counts["broken"] == sum(was[id] == truth[id] for id in expected)
        assert counts["still_wrong"] == len(expected) - counts["mended"] - counts["broken"]


def test_a_collapsed_stage_changes_nothing_that_is_handed_out(bed):
    run = bed(adapt="per_language", collapse={"fr/contrastive": ["broke"]}).write()
    report = build(run)
    assert report["changes"]["fr"]["to"] == "source"
    assert report["changes"]["fr"]["changed"] == 0
    assert changed_rows(run, report)["fr"] == []


def test_without_gold_rows_are_told_and_not_judged(bed):
    run = bed(pool_gold=False).write()
    report = build(run)
    assert report["changes"]["fr"]["mended"] is None
    assert {row.gold for row in changed_rows(run, report)["fr"]} == {None}


def test_the_table_keeps_every_row_and_may_be_empty(bed, tmp_path):
    run = bed().write()
    rows = changed_rows(run, build(run))
    pq.write_table(table(rows), tmp_path / "changes.parquet")
    kept = pq.read_table(tmp_path / "changes.parquet").to_pylist()
    assert [row["id"] for row in kept] == [row.id for code in rows for row in rows[code]]
    assert table({"fr": []}).num_rows == 0
    assert table({"fr": []}).schema == table(rows).schema


def test_texts_of_other_rows_are_refused(bed):
    bed = bed(pool_gold=False)
    run = bed.write()
    report = build(run)
    file = bed.path / "sw.pool.jsonl"
    lines = [
        json.loads(line) | {"id": f"x{n}"} for n, line in enumerate(file.read_text().splitlines())
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(BadInput, match=r"sw\.unlabelled: no row for"):
        changed_rows(run, report)
