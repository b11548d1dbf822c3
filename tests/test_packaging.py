"""What ships inside the package: data, encoder, recipes, licences."""

import csv
import gzip
import json
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import conlst
from conlst import recipe as recipes

PACKAGE = Path(conlst.__file__).parent
ROOT = PACKAGE.parent
SIB = PACKAGE / "embedded/sib200"
MINI = PACKAGE / "embedded/mini"
LANGUAGES = "ar bg de el en es fr hi ru sw th tr ur vi zh".split()  # noqa: SIM905
CLASSES = {
    "entertainment",
    "geography",
    "health",
    "politics",
    "science/technology",
    "sports",
    "travel",
}


def rows(name):
    with gzip.open(SIB / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("part", "n"), [("pool", 345), ("dev", 99), ("test", 204)])
def test_every_language_has_the_same_items_with_the_same_labels(part, n, language):
    own, english = rows(f"{part}.{language}.tsv.gz"), rows(f"{part}.en.tsv.gz")
    assert len(own) == n
    assert [(row["id"], row["label"]) for row in own] == [
        (row["id"], row["label"]) for row in english
    ]
    assert {row["label"] for row in own} == CLASSES
    assert all(row["text"].strip() for row in own)


def test_there_are_no_other_files():
    expected = {f"{part}.{code}.tsv.gz" for part in ("pool", "dev", "test") for code in LANGUAGES}
    assert {path.name for path in SIB.iterdir()} == expected | {"source.en.tsv.gz", "README.md"}


def test_source_and_pools_share_no_sentence():
    source, pool = rows("source.en.tsv.gz"), rows("pool.en.tsv.gz")
    assert len(source) == 356
    assert all(int(row["id"]) % 2 == 0 for row in source)
    assert all(int(row["id"]) % 2 == 1 for row in pool)
    ids = Counter(
        row["id"]
        for part in (source, pool, rows("dev.en.tsv.gz"), rows("test.en.tsv.gz"))
        for row in part
    )
    assert set(ids.values()) == {1}
    assert not {row["text"] for row in source} & {row["text"] for row in pool}
    assert set(Counter(row["label"] for row in source)) == CLASSES


def test_the_archives_carry_no_date_and_no_name():
    for path in SIB.glob("*.gz"):
        head = path.read_bytes()[:10]
        assert head[3:8] == bytes(5), path.name


def test_the_licences_are_said_where_the_data_is():
    text = (SIB / "README.md").read_text(encoding="utf-8")
    for needed in ("CC BY-SA 4.0", "Apache License 2.0", "Adelani", "FLORES-200", "NLLB Team"):
        assert needed in text
    assert "CC BY-SA 4.0" in (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "license: apache-2.0" in (MINI / "README.md").read_text(encoding="utf-8")


def test_the_synonyms_are_packed_without_a_date_and_carry_their_licence():
    folder = PACKAGE / "embedded/synonyms"
    assert {path.name for path in folder.iterdir()} == {"README.md", "en.json.gz"}
    assert (folder / "en.json.gz").read_bytes()[3:8] == bytes(5)
    near = json.loads(gzip.decompress((folder / "en.json.gz").read_bytes()))
    assert len(near) == 25_591
    assert all(0 < len(words) <= 8 for words in near.values())
    assert "Apache License 2.0" in (folder / "README.md").read_text(encoding="utf-8")
    assert "conlst/embedded/synonyms/" in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_the_encoder_loads():
    model = AutoModelForSequenceClassification.from_pretrained(MINI, num_labels=7, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    assert model.config.hidden_size == 256
    batch = tokenizer(["Naye akasema", "Il a dit"], padding=True, return_tensors="pt")
    assert model(**batch).logits.shape == (2, 7)
    assert tokenizer.mask_token_id is not None


def test_nothing_that_ships_can_execute():
    suffixes = {path.suffix for path in (PACKAGE / "embedded").rglob("*") if path.is_file()}
    assert suffixes == {".gz", ".json", ".md", ".safetensors"}


@pytest.mark.parametrize("name", [n for n in recipes.packaged() if not n.startswith("methods/")])
def test_every_packaged_recipe_validates(name):
    recipe = recipes.load(name)
    assert recipe.description
    assert recipe.name == name.rpartition("/")[2]


@pytest.mark.parametrize("name", recipes.packaged())
def test_every_packaged_recipe_says_what_it_is(name):
    assert len(recipes.merged(name)["description"]) > 40


def test_the_quickstart_needs_nothing_from_the_hub():
    recipe = recipes.load("quickstart")
    assert recipe.model.name == str(MINI)
    data = recipe.data
    files = [data.source.train, data.source.dev]
    for target in data.targets.values():
        files += [target.unlabelled, target.test, target.pool_gold]
    assert all(Path(file.path).is_file() for file in files if file)
    assert data.adapt == "joint"
    assert {"fr", "sw", "ur", "zh"} <= set(recipe.adapted())


def test_the_xnli_settings_keep_training_away_from_the_pools_gold():
    """XNLI's English validation split is parallel to the pools: its labels are their gold."""
    for name in ("settings/xnli-mbert", "settings/xnli-xlmr"):
        recipe = recipes.load(name)
        assert recipe.data.classes == ["entailment", "neutral", "contradiction"]
        assert len(recipe.adapted()) == 15
        for file in (recipe.data.source.train, recipe.data.source.dev):
            assert file.hub == "nyu-mll/multi_nli"
        for code, target in recipe.data.targets.items():
            assert (target.unlabelled.config, target.unlabelled.split) == (code, "validation")
            assert (target.test.config, target.test.split) == (code, "test")
            assert target.unlabelled.columns.label is None
    assert recipes.load("settings/xnli-mbert").contrastive.learning_rate == 2e-6
    assert recipes.load("settings/xnli-xlmr").contrastive.learning_rate == 5e-6


def test_one_version_and_pins_for_what_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"conlst": "conlst.cli:main"}
    assert conlst.__version__ == "0.1.0"
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    }
    extras = project["optional-dependencies"]
    for requirement in project["dependencies"] + [*extras["cpu"], *extras["bench"], *extras["dev"]]:
        assert requirement.partition(">=")[0] in pinned, requirement


def test_recipes_are_written_in_plain_json():
    for path in (PACKAGE / "recipes").rglob("*.json"):
        json.loads(path.read_text(encoding="ascii"))
