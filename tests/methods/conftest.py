"""Methods on a bed of few rows: a setting without a part of any method, and what a recipe holds."""

import json
from dataclasses import replace

import pytest
import torch

from conlst import recipe as recipes
from conlst.testing import random_pool
from tests.conftest import excerpt, write


def method(name, setting="settings/sib200", edits=()):
    """A packaged method after a setting, checked."""
    return recipes.load({"conlst": 1, "extends": [str(setting), f"methods/{name}"]}, edits)


def generator():
    return torch.Generator().manual_seed(0)


def another_mind(pool, *history):
    """The pool as a model sees it that has come to think otherwise of every row."""
    logits = pool.logits_NC.roll(1, 1)
    return replace(pool, logits_NC=logits, probs_NC=logits.softmax(1), history=history)


@pytest.fixture
def pool():
    return random_pool(120, seed=3)


@pytest.fixture
def setting(recipe, tmp_path):
    """A file with model, data and budgets."""
    for name, rows in (("source.en", 24), ("pool.fr", 12), ("pool.sw", 12), ("test.sw", 9)):
        write(tmp_path / f"{name}.tsv", excerpt(name, rows))
    recipe["data"] = {
        "source": {"train": {"path": "source.en.tsv"}},
        "targets": {
            "fr": {"unlabelled": {"path": "pool.fr.tsv"}},
            "sw": {"unlabelled": {"path": "pool.sw.tsv"}, "test": {"path": "test.sw.tsv"}},
        },
    }
    recipe["source"] = {"epochs": 1, "learning_rate": 3e-3, "batch_size": 8}
    recipe["contrastive"] = {"learning_rate": 1e-4, "batch_size": 8, "curve": 0}
    recipe["self_training"] = {"epochs": 1, "learning_rate": 1e-4, "batch_size": 8}
    path = tmp_path / "setting.json"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    return path
