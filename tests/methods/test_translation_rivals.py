"""Translate-train, translate-test and CoNLST-MT, by a table of translations."""

import json

import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

import conlst
from conlst.cli import main
from conlst.errors import BadInput
from conlst.predict import classify
from conlst.progress import Progress
from conlst.texts import read_texts
from conlst.translated import translated
from tests.conftest import excerpt
from tests.methods.conftest import method

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
ENGLISH = [text for _, text, _ in excerpt("source.en", 9)]  # topics in turn, as in the test rows
IN_ENGLISH = {row[1]: made for row, made in zip(excerpt("test.sw", 9)[1:], ENGLISH, strict=False)}


@pytest.fixture
def table(tmp_path, monkeypatch):
    """English to Swahili by way of French, and back straight; it lacks the first text of each."""
    monkeypatch.setenv("CONLST_CACHE", str(tmp_path / "cache"))
    lines = []
    for _, text, _ in excerpt("source.en", 24)[1:]:
        lines += [("en", "fr", text, f"F {text}"), ("fr", "sw", f"F {text}", f"S {text}")]
    lines += [("sw", "en", text, made) for text, made in IN_ENGLISH.items()]
    keys = ("source", "target", "text", "translation")
    said = [json.dumps(dict(zip(keys, line, strict=True))) for line in lines]
    (tmp_path / "table.jsonl").write_text("\n".join(said))
    return tmp_path / "table.jsonl"


def edits(table, **more):
    plan = {"via": {"sw": "fr"}, "missing": "error"} | more
    return [
        f'data.translate.translators=[{{"type": "table", "path": "{table}"}}]',
        *(f"data.translate.{name}={json.dumps(value)}" for name, value in plan.items()),
    ]


def test_translate_train_joins_the_labelled_rows_by_their_translations(setting, table):
    checked = method("translate-train", setting, edits(table))
    plain = read_texts(checked)
    texts, told = translated(checked, plain, Progress())
    rows, own = texts.source.rows, plain.source.rows
    assert rows.languages == ["en"] * 24 + ["fr"] * 23 + ["sw"] * 23
    assert rows.texts == [*own.texts, *(f"{a} {t}" for a in "FS" for t in own.texts[1:])]
    assert list(rows.ids) == [*own.ids, *own.ids[1:], *own.ids[1:]]
    label = plain.source.label.tolist()
    assert texts.source.label.tolist() == label + label[1:] + label[1:]
    assert texts.tests == plain.tests
    assert told["languages"]["sw"] == {
        "translator": "table",
        "pivot": "fr",
        "texts": 24,
        "translated_now": 23,  # the way to French was made before, and one text got lost on it
        "kept": 23,
        "refused": {"empty": 1},
    }


def test_translate_train_trains_on_them_and_the_report_says_so(setting, table, tmp_path):
    recipe = {"conlst": 1, "name": "t", "extends": [str(setting), "methods/translate-train"]}
    report = conlst.run(recipe, out=tmp_path / "run", edits=edits(table))
    record = json.loads((report.folder / "checkpoints/source/record.json").read_text())
    assert record["steps"] == -(-(24 + 23 + 23) // 8)
    assert any("joined by their translations" in note for note in report.data["data"]["notes"])
    assert "(translate-train)" in (report.folder / "report.md").read_text()


def test_translate_test_predicts_what_the_model_says_of_the_translations(setting, table, tmp_path):
    recipe = {"conlst": 1, "name": "t", "extends": [str(setting), "methods/translate-test"]}
    straight = edits(table, via={})
    report = conlst.run(recipe, out=tmp_path / "run", edits=[*straight, "source.epochs=24"])
    checked = method("translate-test", setting, straight)
    rows = read_texts(checked).tests["sw"]
    texts, _ = translated(checked, read_texts(checked), Progress())
    assert texts.tests["sw"].texts == [rows.texts[0], *ENGLISH[:8]]  # the first is as it was
    assert texts.source.rows.texts == read_texts(checked).source.rows.texts
    table = pq.read_table(report.folder / "predictions/source.parquet")
    assert table["id"].to_pylist() == list(rows.ids)
    said = torch.tensor(table["probabilities"].to_pylist())
    _, of_translations = classify(report.folder / "model", texts.tests["sw"], Progress())
    _, of_originals = classify(report.folder / "model", rows, Progress())
    assert (said - of_translations).abs().amax() < 1e-3  # precision is the machine's own there
    assert (said - of_originals).abs().amax() > 0.1


def test_conlst_mt_is_conlst_from_translate_train(setting, table, tmp_path):
    mine = method("conlst-mt")
    assert mine.data.translate == method("translate-train").data.translate
    assert mine.contrastive == method("conlst").contrastive
    assert mine.self_training == method("conlst").self_training
    recipe = {"conlst": 1, "name": "t", "extends": [str(setting), "methods/conlst-mt"]}
    few = ["self_training.iterations=1", "data.targets.fr.unlabelled=null"]
    report = conlst.run(recipe, out=tmp_path / "run", edits=[*edits(table), *few])
    names = [stage["name"] for stage in report.data["stages"]]
    assert names == ["source", "contrastive", "self_training-1"]


def test_translations_are_made_beforehand_and_once(setting, table, tmp_path):
    recipe = {"conlst": 1, "name": "t", "extends": ["setting.json", "methods/translate-train"]}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    command = ["augment", str(tmp_path / "recipe.json")]
    command += [word for edit in edits(table) for word in ("--set", edit)]
    first, again = (CliRunner().invoke(main, command) for _ in range(2))
    assert first.exit_code == again.exit_code == 0, first.output
    cells = [line.split() for line in first.output.splitlines() if "table" in line]
    assert cells == [
        ["fr", "table", "-", "24", "24", "95.8", "empty", "1"],
        ["sw", "table", "fr", "24", "23", "95.8", "empty", "1"],
    ]
    assert [line.split()[4] for line in again.output.splitlines() if "table" in line] == ["0", "0"]


def test_a_language_without_a_way_is_refused_or_skipped(setting, table):
    with pytest.raises(BadInput, match="no translator goes from 'en' into 'sw' "):
        method("translate-train", setting, edits(table, via={}))
    skipping = method("translate-train", setting, edits(table, via={}, missing="skip"))
    texts, told = translated(skipping, read_texts(skipping), Progress())
    assert told["skipped"] == ["sw"]
    assert set(texts.source.rows.languages) == {"en", "fr"}
    with pytest.raises(BadInput, match="no translator goes from 'sw' into 'en' via 'fr'"):
        method("translate-test", setting, edits(table, missing="skip"))  # nothing would be done


def test_a_table_that_changed_makes_another_run(setting, table, tmp_path):
    recipe = {"conlst": 1, "name": "t", "extends": [str(setting), "methods/translate-test"]}
    straight = edits(table, via={})
    conlst.run(recipe, out=tmp_path / "run", edits=straight)
    (tmp_path / "run/report.json").unlink()
    with table.open("a") as file:
        file.write("\n")
    with pytest.raises(BadInput, match=r"data\.translate: table\.jsonl"):
        conlst.run(recipe, out=tmp_path / "run", edits=straight)
