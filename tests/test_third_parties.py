"""Parts from outside: an installed package, a file beside the recipe, a cell of a notebook."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conlst.blame import PartFailed, naming_parts
from conlst.errors import BadInput
from conlst.recipe import load

EXAMPLE = Path(__file__).parent / "example_package"
PATH = {"data": {"adapt": "joint"}}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Where the example package was installed: away from this environment, without a network."""
    place = tmp_path_factory.mktemp("site")
    how = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *how, "--target", place, EXAMPLE], check=True
    )
    return place


def called(*arguments, cwd, site=None):
    """Run Python on these arguments, with the installed example within reach."""
    around = os.environ | {"PYTHONPATH": str(site) if site else "", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=around, capture_output=True, text=True
    )


def conlst(*arguments, **how):
    return called("-m", "conlst", *arguments, **how)


def small(tiny_encoder):
    """The example's recipe on an encoder of two thin layers, for seconds."""
    edits = [
        f"model.name={tiny_encoder}",
        "model.max_length=24",
        "source.epochs=1",
        "contrastive=null",
        "self_training.epochs=1",
    ]
    return [word for edit in edits for word in ("--set", edit)]


@pytest.mark.slow
class TestInstalled:
    def test_it_is_listed_without_being_loaded_and_shown_when_named(self, installed, tmp_path):
        listed = conlst("list", "selectors", cwd=tmp_path, site=installed).stdout
        assert "margin" in listed
        assert "from another package" in listed
        shown = conlst("show", "margin", cwd=tmp_path, site=installed).stdout
        assert "selectors.margin   conlst_margin.selector.Margin" in shown
        assert "number >= 0, <= 1" in shown
        assert "Scheffer et al. 2001" in shown
        assert "margin" not in conlst("list", "selectors", cwd=tmp_path).stdout

    def test_its_recipe_runs(self, installed, tmp_path, tiny_encoder):
        recipe = EXAMPLE / "recipe.json"
        done = conlst("run", recipe, *small(tiny_encoder), cwd=tmp_path, site=installed)
        assert done.returncode == 0, done.stderr
        kept = json.loads((tmp_path / "runs/margin/recipe.json").read_text())
        assert kept["self_training"]["selector"] == {"type": "margin", "least": 0.3}
        assert kept["source"]["loss"] == {"type": "focal", "gamma": 1.0}

    def test_without_it_the_recipe_is_refused_with_its_path(self, tmp_path):
        done = conlst("validate", EXAMPLE / "recipe.json", cwd=tmp_path)
        assert done.returncode == 2
        assert "source.loss.type: no such name in losses" in done.stderr
        assert "self_training.selector.type: no such name in selectors" in done.stderr
        assert "Traceback" not in done.stderr

    def test_its_own_tests_pass_with_what_they_inherit(self, installed, tmp_path):
        where = ["-p", "no:cacheprovider", "--rootdir", EXAMPLE, EXAMPLE / "tests"]
        done = called("-m", "pytest", "-q", *where, cwd=tmp_path, site=installed)
        assert done.returncode == 0, done.stdout
        assert "24 passed" in done.stdout


PART = '''
from conlst.arrays import Selection
from conlst.selectors import Selector
from neighbour import LEAST


class Mine(Selector):
    """Keep rows by their confidence."""

    least: float = LEAST

    def __call__(self, pool, *, generator):
        return Selection.hard(pool, pool.confidence >= self.least)
'''


@pytest.fixture
def beside(tmp_path, recipe):
    """A recipe with a part, and the part's own neighbour, in its folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "my_part_of_mine.py").write_text(PART)
    (folder / "neighbour.py").write_text("LEAST = 0.25\n")
    recipe["contrastive"] = None
    recipe["source"]["epochs"] = recipe["self_training"]["iterations"] = 1
    recipe["self_training"]["selector"] = {"type": "my_part_of_mine:Mine"}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return folder


@pytest.mark.slow
def test_a_class_is_found_beside_the_recipe_from_any_folder(beside, tmp_path):
    done = conlst("run", beside / "recipe.json", "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "run/recipe.json").read_text())
    assert kept["self_training"]["selector"] == {"type": "my_part_of_mine:Mine", "least": 0.25}
    again = conlst("run", beside / "recipe.json", "--out", tmp_path / "run", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_a_neighbour_that_cannot_be_loaded_says_why(beside, tmp_path):
    (beside / "neighbour.py").write_text("LEAST = 1 / 0\n")
    done = conlst("validate", beside / "recipe.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "self_training.selector.type: " in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_part_that_fails_is_named_with_its_slot_and_line(beside, tmp_path):
    broken = PART.replace("return Selection", "least = 1 / 0\n        return Selection")
    (beside / "my_part_of_mine.py").write_text(broken)
    done = conlst("run", beside / "recipe.json", "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said = "self_training.selector: the part my_part_of_mine:Mine failed: ZeroDivisionError: div"
    assert said in done.stderr
    assert re.search(r"in __call__, .*my_part_of_mine.py, line 13: least = 1 / 0", done.stderr)


def test_whose_error_it_is_is_read_off_the_frames_it_went_through(beside, monkeypatch):
    read = load(beside / "recipe.json")
    monkeypatch.delitem(sys.modules, "my_part_of_mine")
    with pytest.raises(PartFailed, match="my_part_of_mine:Mine failed: AttributeError") as failed:
        with naming_parts(read):
            read.self_training.selector(None, generator=None)
    assert isinstance(failed.value.__cause__, AttributeError)
    for error in (KeyError("ours"), BadInput("as it was")):
        with pytest.raises(type(error)) as unchanged, naming_parts(read):
            raise error
        assert unchanged.value is error


CELL = '''
import conlst
from conlst.arrays import Selection
from conlst.selectors import Selector, selectors


@selectors.register("margin")
class Margin(Selector):
    """Keep rows whose two largest probabilities lie at least `least` apart."""

    least: float = 0.2

    def __call__(self, pool, *, generator):
        top = pool.probs_NC.topk(2, dim=1).values
        return Selection.hard(pool, top[:, 0] - top[:, 1] >= self.least)
'''


@pytest.mark.slow
def test_a_notebook_cell_defines_a_part_registers_it_and_runs_it(tmp_path, recipe):
    """The cell may also be run again, as one does when the part is improved."""
    recipe["contrastive"] = None
    recipe["source"]["epochs"] = recipe["self_training"]["iterations"] = 1
    recipe["self_training"]["selector"] = {"type": "margin", "least": 0.0}
    run = f"report = conlst.run({recipe!r}, out='run')\nprint(report.data['finished'])\n"
    (tmp_path / "notebook.py").write_text(f"cell = {CELL!r}\nexec(cell)\nexec(cell)\n{run}")
    done = called("notebook.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"
