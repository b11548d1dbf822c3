"""What README shows is what happens."""

import json
import re
from pathlib import Path

import pytest

import conlst
from conlst import recipe as recipes
from conlst.augment import augmenters
from conlst.registry import REGISTRIES
from conlst.selectors import selectors
from conlst.testing import check, random_pool

README = Path(conlst.__file__).parents[1] / "README.md"
pytestmark = pytest.mark.skipif(not README.is_file(), reason="an installed package has no README")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_recipe_is_valid_where_its_files_are():
    text = blocks("json")[0]
    recipe = recipes.load(json.loads(text))
    assert recipe.self_training.selector == selectors["flexmatch"](threshold=0.9, floor=0.5)


def test_each_change_in_the_table_is_a_recipe():
    text = blocks("json")[0]
    rows = re.findall(r"^\| .* \| `(\".*)` \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == 10
    for row in rows:
        changed = json.loads(text)
        for key, value in json.loads(f"{{{row}}}").items():
            both = isinstance(value, dict) and isinstance(changed.get(key), dict)
            changed[key] = changed[key] | value if both else value
        recipes.load(changed)


def test_the_views_with_back_translation_are_an_augmenter():
    text = blocks("json")[1]
    augment = augmenters.validate(json.loads(f"{{{text}}}")["augment"])
    assert [part.name for part in augment.choices] == ["back_translation", "masking", "mixup"]
    assert augment.choices[0].misfits(("sw",)) == []


def test_the_table_of_parts_names_each_of_them():
    rows = re.findall(
        r"^\| ([a-z ]+) \| (.*) \|$", README.read_text(encoding="utf-8"), re.MULTILINE
    )
    shown = {kind.rpartition(" ")[2]: set(re.findall(r"[a-z0-9_]+", text)) for kind, text in rows}
    for kind, column in {"negatives": "samplers"}.items():
        shown[kind] = shown.pop(column)
    for kind, registry in REGISTRIES.items():
        own = {cls.name for cls in registry if cls.__module__.startswith("conlst.")}
        assert own <= shown[kind], kind


def test_the_part_of_your_own_works():
    code = next(block for block in blocks("python") if "class Margin" in block)
    code, run = code.split("report = ")
    assert run.startswith('conlst.run("quickstart", edits=[')
    room = {"__name__": "my_package.margin"}
    exec(code, room)
    try:
        margin = selectors.validate({"type": "margin", "least": 0.3})
        pool = random_pool(seed=0)
        kept = set(margin(pool, generator=None).index.tolist())
        for n in range(len(pool)):
            first, second = sorted(pool.probs_NC[n].tolist())[:-3:-1]
            assert (n in kept) == (first - second >= 0.3)
    finally:
        selectors._members.pop("margin")
    assert callable(check)
