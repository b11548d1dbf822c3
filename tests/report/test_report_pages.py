"""What a reader sees: headline, Markdown, terminal."""

import io
import re

import pytest
from rich.console import Console

from conlst.report import figures, tables
from conlst.report.build import build
from conlst.report.markdown import escape, markdown
from conlst.report.page import page
from conlst.report.terminal import table
from conlst.report.words import headline, inert

HOSTILE = (
    "x|y`z`<script>\n# title\r\x1b[31m\u202eevil [bold]no[/bold] **b** http://e.vil @me \ud800"
)


def printed(report, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table(report))
    return console.export_text()


def with_difference(report, value, low, high):
    for stage in (report["stages"][-1], report["handed_out"]):
        for key in ("average", "average_targets"):
            stage[key]["difference"] = {"value": value, "low": low, "high": high}
    return report


def test_headline_tells_a_stranger_what_happened(bed):
    report = build(bed().write())
    said = headline(report)
    assert "labelled text in one language (en)" in said
    assert "2 languages (fr, sw), all in one model" in said
    assert "Inductive: the test texts were not among the texts adapted to." in said
    last = report["stages"][-1]["average_targets"]
    assert f"to {100 * last['accuracy']:.1f} % after self-training 2" in said
    before = report["stages"][0]["average_targets"]["accuracy"]
    assert f"from {100 * before:.1f} %" in said


def test_headline_judges_the_interval(bed):
    report = build(bed().write())
    assert "neither a gain nor a loss" in headline(with_difference(report, 0.01, -0.01, 0.03))
    assert headline(with_difference(report, 0.02, 0.01, 0.03)).endswith("to +3.0, a gain.")
    assert headline(with_difference(report, -0.02, -0.03, -0.01)).endswith("to -1.0, a loss.")


def test_headline_gives_no_credit_to_pseudo_labels_that_nobody_trusted(bed):
    report = build(bed().write())
    assert "no pseudo-label was trusted" not in headline(report)
    report["stages"][-1]["records"]["all"]["facts"] = {"selected": 0}
    assert "For fr, sw no pseudo-label was trusted in it" in headline(report)


def test_headline_of_a_transductive_run(bed):
    said = headline(build(bed(overlap=0.5).write()))
    assert "Transductive" in said
    assert "up to 50.0 %" in said


def test_headline_of_a_run_that_adapts_nothing(bed):
    said = headline(build(bed(stages=["source"]).write()))
    assert "nothing was adapted" in said
    assert "% zero-shot." in said


def test_nothing_was_adapted_to_by_a_run_that_adapts_nothing(bed):
    report = build(bed(stages=["source"], overlap=0.5).write())
    assert "adapted to" not in headline(report)
    assert "<dt>adapted to</dt><dd><bdi>nothing</bdi>" in page(report, figures.every(report), {})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("source", "(en) and on its machine translations into fr was tried as it is"),
        ("test", "(translate-test), on test texts of fr put into en by machine: nothing"),
    ],
)
def test_headline_tells_of_translation(bed, rows, said):
    report = build(bed(stages=["source"]).write())
    report["data"]["translated"] = {"rows": rows, "languages": {"fr": {}}, "skipped": ["sw"]}
    assert said in headline(report)
    assert f"% translate-{'train' if rows == 'source' else 'test'}." in headline(report)
    assert "zero-shot" not in headline(report)


def test_headline_never_gives_a_collapsed_stage_as_the_result(bed):
    report = build(bed(collapse={"self_training-1": ["one class took all"]}).write())
    said = headline(report)
    assert (
        "Stage self_training-1 collapsed (one class took all): its figures are no result." in said
    )
    assert "after stage 1 (contrastive)" in said
    broken = report["stages"][-1]["average_targets"]["accuracy"]
    assert f"{100 * broken:.1f} %" not in said


def test_headline_when_only_one_language_collapsed(bed):
    run = bed(adapt="per_language", collapse={"fr/contrastive": ["broke"]}).write()
    report = build(run)
    said = headline(report)
    assert "Stage contrastive collapsed (fr: broke)" in said
    assert "in the models handed out (source (zero-shot): fr; self-training 2: sw)" in said
    assert "| handed out |" in markdown(report)
    out = report["handed_out"]
    assert out["stages"] == {"fr": "source", "sw": "self_training-2"}
    assert out["languages"]["fr"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    last = report["stages"][-1]["languages"]["sw"]
    assert out["languages"]["sw"]["accuracy"] == last["accuracy"]
    both = report["stages"][0]["languages"]["fr"]["accuracy"] + last["accuracy"]
    assert out["average_targets"]["accuracy"] == pytest.approx(both / 2)


def test_headline_compares_averages_over_the_same_languages(bed):
    report = build(bed(adapt="per_language").write())
    for stage in [*report["stages"], report["handed_out"]]:
        stage["average_targets"] |= {"over": []}  # as if no target but the source language
    said = headline(report)
    before = [report["stages"][0]["languages"][code]["accuracy"] for code in ("fr", "sw")]
    assert f"from {50 * sum(before):.1f} %" in said


def test_without_any_test_rows_nothing_is_claimed(bed):
    report = build(bed().write())
    for stage in [*report["stages"], report["handed_out"]]:
        for key in ("average", "average_targets"):
            stage[key] = {"accuracy": None, "macro_f1": None, "over": [], "withdrawn": []}
            stage[key]["difference"] = None
        for cell in stage["languages"].values():
            cell.update(accuracy=None, macro_f1=None, n=None, groups=None, difference=None)
    assert "accuracy is unknown" in headline(report)
    assert "| source (zero-shot) | - | - | - | - | - |" in markdown(report)
    printed(report)


def test_best_is_marked_once_a_column_and_never_where_a_model_collapsed(bed):
    report = build(bed(collapse={"self_training-1": ["broke"]}).write())
    for cell in report["stages"][-1]["languages"].values():
        cell["accuracy"] = 0.999
    found = tables.main(report)
    assert [cell.mark for cell in found.rows[-1][1:]] == ["withdrawn"] * 5
    for column in range(1, 6):
        assert sum(row[column].mark == "best" for row in found.rows) == 1
    assert "~~99.9~~" in markdown(report)
    assert "99.9 x" in printed(report)
    assert "collapsed: no result" in printed(report)


def test_cells_without_a_figure_are_visibly_empty(bed):
    report = build(bed(adapt="per_language", no_test=("sw",)).write())
    text = markdown(report)
    row = next(line for line in text.splitlines() if line.startswith("| self-training 2"))
    assert row.split(" | ")[1] == "-"
    assert row.split(" | ")[3] == "-"
    assert "averages over other languages than those of the source stage" in text


@pytest.mark.parametrize("adapt", ["joint", "per_language"])
@pytest.mark.parametrize("pool_gold", [True, False])
def test_markdown_has_every_table_and_each_is_a_table(bed, adapt, pool_gold):
    text = markdown(build(bed(adapt=adapt, pool_gold=pool_gold, warnings=["mind this"]).write()))
    for title in (
        "Accuracy (%)",
        "Change from the source model",
        "Macro-F1",
        "Accuracy by group",
        "Rows and accuracy by confidence",
        "Class balance",
        "Complementary labels",
        "Pseudo-labelled rows trained on",
        "Time",
        "Environment",
    ):
        assert f"### {title}" in text
    assert ("Accuracy on pool rows during the stage" in text) == pool_gold
    assert "mind this" in text
    assert "- a note" in text
    assert_tables_hold(text)


def assert_tables_hold(text):
    """Every block of table lines has one number of columns throughout."""
    for block in text.split("\n\n"):
        lines = block.splitlines()
        if lines and lines[0].startswith("| "):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_hostile_text_is_shown_and_does_nothing(bed):
    run = bed(
        classes=["a", "b|x `c` <img src=x onerror=y>", "c\u202e\x1b]0;own\x07\n# d"],
        groups=["news|mail", "<b>\n\nx"],
        warnings=[HOSTILE],
    ).write()
    report = build(run)
    for text in (markdown(report), printed(report)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\ud800]", text)
    text = markdown(report)
    assert "<" not in text.replace("&lt;", "")
    assert "http://" not in text
    assert not re.search(r"^# (?!bed)", text, re.M)
    assert not re.search(r"(?<!\\)`", text)
    assert_tables_hold(text)
    assert "[bold]no[/bold]" in printed(report, 200)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\\|b", r"a\\\|b"),
        ("_x_ a_b", r"\_x\_ a_b"),
        ("&lt;", "&amp;lt;"),
        ("![i](u)", r"!\[i\](u)"),
        ("www.x", r"www\.x"),
        ("~~s~~ $m$ #1", r"\~\~s\~\~ \$m\$ \#1"),
    ],
)
def test_escape(text, expected):
    assert escape(text) == expected


def test_inert_keeps_the_joiners_that_words_need_and_cuts_what_is_long():
    assert inert("می\u200cخواهم") == "می\u200cخواهم"
    assert len(inert("x" * 9999)) == 500


def test_list_items_begin_nothing_else(bed):
    text = markdown(build(bed(warnings=["x"]).write()) | {"warnings": ["- a", "1. b", "# c"]})
    assert "- \\- a\n- 1\\. b\n- \\# c" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_terminal_cuts_no_figure(bed, width):
    report = build(bed().write())
    extra = {f"l{i}": report["stages"][0]["languages"]["fr"] for i in range(12)}
    for stage in report["stages"]:
        stage["languages"] |= extra
    report["languages"] += list(extra)
    text = printed(report, width)
    assert "…" not in text
    figure = f"{100 * report['stages'][0]['languages']['fr']['accuracy']:.1f}"
    assert text.count(figure) >= 13


def test_many_warnings_are_counted(bed):
    report = build(bed().write()) | {"warnings": [f"w{i}" for i in range(9)]}
    text = printed(report)
    assert "warning: w4" in text
    assert "w5" not in text
    assert "4 more in report.md" in text


def test_a_warning_that_was_told_while_one_waited_is_not_told_again(bed):
    report = build(bed().write()) | {"warnings": ["source: old", "contrastive (sw): new"]}
    console = Console(record=True, width=100)
    console.print(table(report, ["source: old"]))
    text = console.export_text()
    assert "warning: contrastive (sw): new" in text
    assert "source: old" not in text


def test_terminal_says_over_which_languages_a_change_is_when_they_differ(bed):
    run = bed(adapt="per_language", collapse={"fr/contrastive": ["broke"]}).write()
    text = " ".join(printed(build(run), 200).split())
    assert re.search(r"stage 1 \(contrastive\): \S+ .* \(collapsed: no result\)", text)
    assert "95 % interval, over sw only" in text
