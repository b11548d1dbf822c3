"""The page: whole, self-contained, and inert whatever the data say."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from conlst.folder import RunFolder
from conlst.report import Report, figures
from conlst.report.build import build
from conlst.report.changes import changed_rows
from conlst.report.page import SHOWN, page
from conlst.report.publish import publish

HOSTILE = (
    "</td><script>alert(1)</script><img src=x onerror=y> \"onload='z' \u202eevil\u2066 \x1b[31m"
    " {{ 7 * 7 }} $\\frac{a}{b}$ ]]> <!-- http://e.vil javascript:w"
)
VOID = {"meta", "input", "br"}
TAGS = (
    "html head meta title style body main header section nav h1 h2 h3 p a dl dt dd bdi b s code "
    "div span br ul li table caption thead tbody tr th td figure figcaption details summary label "
    "input script svg g defs path use text clippath rect pattern"
)
ATTRIBUTES = (
    "lang charset http-equiv content name id class scope href dir type autocomplete role style "
    "aria-label viewbox d transform x y width height clip-path xlink:href patternunits fill "
    "stroke stroke-width"
)


class Read(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.scripts = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open and self.open[-1] == "script" else self.words).append(data)


def made(run):
    report = build(run)
    return page(report, figures.every(report), changed_rows(run, report))


def assert_inert(text):
    read = Read(text)
    assert read.open == []
    assert set(read.tags) <= set(TAGS.split())
    assert {name for _, name, _ in read.attributes} <= set(ATTRIBUTES.split())
    assert read.tags.count("script") == 1
    links = [v for _, name, v in read.attributes if name in ("href", "xlink:href")]
    assert links
    assert all(link.startswith("#") for link in links)
    outside = [
        v for _, _, v in read.attributes if v and re.search(r"https?:|url\((?!#)|@import", v)
    ]
    assert outside == []
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
    return read


@pytest.mark.drawn
@pytest.mark.parametrize("adapt", ["joint", "per_language"])
def test_the_page_tells_everything_and_needs_nothing(bed, adapt):
    run = bed(adapt=adapt, warnings=["mind this"]).write()
    report = build(run)
    read = assert_inert(made(run))
    said = " ".join(read.words)
    for words in (
        "Accuracy (%)",
        "Right and wrong pseudo-labels by confidence",
        "Accuracy during stage 1",
        "Class balance of the pseudo-labels",
        "Pseudo-labelled rows that were trained on",
        "Can the confidence be believed?",
        "Figures without labels, judged by gold",
        "Labels that changed",
        "mind this",
        "a note",
    ):
        assert words in said
    assert read.tags.count("svg") == 6
    assert f"{100 * report['stages'][0]['languages']['sw']['accuracy']:.1f}" in said


@pytest.mark.drawn
def test_hostile_text_is_shown_and_does_nothing(bed):
    run = bed(
        text=HOSTILE.replace("{", "{{").replace("}", "}}") + " {id}",
        classes=["a", HOSTILE, "c $x$"],
        groups=[HOSTILE, "<b>"],
        warnings=[HOSTILE],
    ).write()
    read = assert_inert(made(run))
    said = " ".join(read.words)
    assert "<script>alert(1)</script>" in said
    assert "{{ 7 * 7 }}" in said
    assert "49" not in re.findall(r"onload='z' .{0,40}", said)
    assert "\\u202eevil\\u2066" in said


def test_the_policy_lets_only_the_own_script_run(bed):
    read = Read(made(bed().write()))
    policy = next(v for tag, name, v in read.attributes if tag == "meta" and "default-src" in v)
    (script,) = read.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "innerHTML" not in script


@pytest.mark.drawn
def test_missing_gold_leaves_figures_out_and_says_why(bed):
    read = assert_inert(made(bed(pool_gold=False).write()))
    said = " ".join(read.words)
    assert said.count("Left out: no gold labels of the unlabelled texts are known.") == 4
    assert read.tags.count("svg") == 2  # change of accuracy and class balance need none


@pytest.mark.drawn
def test_a_run_that_adapts_nothing_has_a_page(bed):
    read = assert_inert(made(bed(stages=["source"]).write()))
    said = " ".join(read.words)
    assert "nothing was adapted" in said
    assert "No label changed." in said


def test_rows_in_the_page_are_capped_and_the_total_is_said(bed):
    run = bed(rows=900).write()
    report = build(run)
    total = report["changes"]["fr"]["changed"]
    assert total > SHOWN
    text = made(run)
    assert f"{total} of 900 labels changed; the {SHOWN} surest are shown" in text
    assert text.count('<bdi dir="auto">text pool') == 2 * SHOWN


def test_what_a_collapse_leaves_is_marked(bed):
    text = made(bed(collapse={"self_training-1": ["one class took all"]}).write())
    assert '<p class="warning">self-training 1, fr: collapsed. one class took all</p>' in text
    assert "<s>" in text


@pytest.mark.drawn
def test_publishing_writes_what_the_page_names(bed):
    run = bed().write()
    report = build(run)
    publish(RunFolder(run), report)
    names = {file.name for file in run.iterdir()}
    assert {"report.html", "report.md", "figures", "changes.parquet"} <= names
    pictures = list((run / "figures").iterdir())
    assert len(pictures) == 6
    assert all(file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for file in pictures)
    assert Report(run, report).page.read_text() == made(run)  # the same figures draw the same


def test_a_notebook_shows_a_summary_and_not_the_whole_json(bed):
    run = bed(classes=["a", HOSTILE, "c"]).write()
    report = Report(run, build(run))
    assert len(repr(report)) < 200
    assert str(run) in repr(report)
    shown = report._repr_html_()
    read = Read(shown)
    assert read.open == []
    assert set(read.tags) <= set(TAGS.split()) - {"script", "style"}
    assert "was adapted to 2 languages" in shown
