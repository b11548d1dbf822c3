"""`conlst report`: a report made anew from the run folder alone."""

import json
import shutil
import subprocess
import sys

from click.testing import CliRunner

from conlst import cli
from conlst.report.build import build


def command(*args):
    return CliRunner().invoke(cli.main, [str(arg) for arg in args])


def finished(run):
    report = build(run)
    (run / "report.json").write_text(json.dumps(report))
    return report


def test_it_comes_back_the_same_with_parts_that_are_nowhere_to_be_found(bed):
    run = bed().write()
    report = finished(run)
    recipe = json.loads((run / "recipe.json").read_text())
    recipe["self_training"]["selector"] = {"type": "my_parts:Margin", "least": 0.2}
    translators = [{"type": "my_parts:Interpreter"}]
    recipe["data"]["translate"] = {"rows": "source", "translators": translators}
    (run / "recipe.json").write_text(json.dumps(recipe))
    made = subprocess.run(
        [sys.executable, "-m", "conlst", "report", str(run)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert "Accuracy (%)" in made.stdout
    assert str(run / "report.html") in made.stdout.replace("\n", "")
    assert json.loads((run / "report.json").read_text()) == report
    assert "<svg" in (run / "report.html").read_text()


def test_a_run_that_is_not_finished_is_reported_as_far_as_it_went_and_stays_so(bed):
    run = bed().write()
    shutil.rmtree(run / "checkpoints/self_training-2")
    result = command("report", run)
    assert result.exit_code == 0, result.output
    assert "The run is not finished." in " ".join(result.output.split())
    assert "The run is not finished." in (run / "report.html").read_text()
    assert json.loads((run / "report.json").read_text())["finished"] is False


def test_stages_without_the_exported_model_make_no_finished_run(bed):
    run = bed().write()
    assert build(run)["finished"]
    assert command("report", run).exit_code == 0
    assert json.loads((run / "report.json").read_text())["finished"] is False


def test_what_is_no_run_is_refused_and_the_runs_inside_are_named(bed, tmp_path):
    run = bed().write()
    for folder in (tmp_path, tmp_path / "nowhere"):
        result = command("report", folder)
        assert result.exit_code == 2
        assert "no run folder (no recipe.json in it)" in result.stderr
    assert f"runs near it: {run}" in command("report", tmp_path).stderr.replace("\n", "")
    (run / "checkpoints/source/record.json").unlink()
    assert "no stage is finished" in command("report", run).stderr


def test_gold_that_changed_since_the_run_is_refused_and_nothing_is_replaced(bed):
    bed = bed()
    run = bed.write()
    finished(run)
    before = (run / "report.json").read_bytes()
    with (bed.path / "fr.test.jsonl").open("a") as file:
        file.write("\n")
    result = command("report", run)
    assert result.exit_code == 2
    assert "these files changed since the run: fr.test" in " ".join(result.stderr.split())
    assert (run / "report.json").read_bytes() == before
    assert not (run / "report.html").exists()
