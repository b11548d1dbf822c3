"""`conlst augment`: translations are made before a run, once, and told."""

import json

from click.testing import CliRunner

from conlst.cli import main
from tests.conftest import excerpt


def with_table(recipe, folder, monkeypatch):
    """The recipe, back-translating French by a table of translations; Swahili is skipped."""
    monkeypatch.setenv("CONLST_CACHE", str(folder / "cache"))
    lines = [
        {"source": a, "target": b, "text": text, "translation": made}
        for _, text, _ in excerpt("pool.fr", 24)
        for a, b, text, made in (
            ("fr", "en", text, f"E {text}"),
            ("en", "fr", f"E {text}", f"{text} voilà"),
        )
    ]
    (folder / "table.jsonl").write_text("\n".join(map(json.dumps, lines)))
    table = {"type": "table", "path": "table.jsonl"}
    augment = {"type": "back_translation", "translators": [table], "missing": "skip"}
    recipe["self_training"]["augment"] = {"type": "one_of", "choices": [augment]}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return ["augment", str(folder / "recipe.json")]


def test_translations_are_made_once_and_told(recipe, tmp_path, monkeypatch):
    command = with_table(recipe, tmp_path, monkeypatch)
    first, again = (CliRunner().invoke(main, command) for _ in range(2))
    assert first.exit_code == again.exit_code == 0, first.output
    (row,) = [line.split() for line in first.output.splitlines() if "table" in line]
    assert row[:6] == ["fr", "table", "en", "24", "48", "100.0"]
    (row,) = [line.split() for line in again.output.splitlines() if "table" in line]
    assert row[4] == "0"
    assert "Without translation: sw." in first.output


def test_a_recipe_without_augmenter_has_nothing_to_prepare(recipe, tmp_path):
    recipe["self_training"]["augment"] = None
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    done = CliRunner().invoke(main, ["augment", str(tmp_path / "recipe.json")])
    assert done.exit_code == 2
    assert "no augmenter in source.augment or self_training.augment" in done.output


def test_augmenters_that_work_as_they_go_say_so(recipe, tmp_path):
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    done = CliRunner().invoke(main, ["augment", str(tmp_path / "recipe.json")])
    assert done.exit_code == 0
    assert "work as they go" in done.output
