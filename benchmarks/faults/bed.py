"""A whole run in a few seconds: sentences that ship with conlst, an encoder of two thin layers."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, BertModel

import conlst

EMBEDDED = Path(conlst.__file__).parent / "embedded"
TOPICS = ["geography", "politics", "sports"]
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "num_attention_heads": 2,
}


def recipes(folder: Path) -> dict[str, dict[str, Any]]:
    """Recipes that between them use all that a stage can have in hand when it is cut off.

    Args:
        folder: where their data and their encoder are written.
    """
    encoder, files = _encoder(folder / "encoder"), folder / "files"
    files.mkdir()
    _write(files / "source.tsv", "source.en", 48)
    for code in ("fr", "sw"):
        _write(files / f"pool.{code}.tsv", f"pool.{code}", 24)
        _write(files / f"test.{code}.tsv", f"test.{code}", 20)
    data = {"source": {"train": {"path": str(files / "source.tsv")}}, "languages": ["fr", "sw"]}
    each = {
        "unlabelled": {"path": str(files / "pool.{language}.tsv")},
        "test": {"path": str(files / "test.{language}.tsv")},
        "pool_gold": {"path": str(files / "pool.{language}.tsv")},
    }
    fixed = {"type": "fixed", "threshold": 0.4}
    first = {
        "learning_rate": 1e-4,
        "batch_size": 8,
        "curve": 2,
        "confident": fixed,
        "negatives": {"type": "uniform", "count": 4},
    }
    loop = {"iterations": 2, "epochs": 1, "learning_rate": 1e-4, "batch_size": 8, "selector": fixed}
    offline = {
        "conlst": 1,
        "name": "offline",
        "seed": 2,
        "model": {"name": str(encoder), "max_length": 24, "precision": "fp32"},
        "data": {**data, "each": each, "adapt": "joint"},
        "source": {"epochs": 10, "learning_rate": 3e-3, "batch_size": 8},
        "contrastive": first,
        "self_training": loop,
    }
    remembering = offline | {
        "name": "remembering",
        "contrastive": first | {"negatives": {"type": "memory_bank", "count": 4}},
        "self_training": loop
        | {"mode": "online", "accumulate": 2, "selector": {"type": "flexmatch", "threshold": 0.4}},
    }
    return {"offline": offline, "remembering": remembering}


def _encoder(folder: Path) -> Path:
    """Random weights, and the tokenizer that ships with conlst."""
    config = AutoConfig.from_pretrained(EMBEDDED / "mini")
    config.update(SHAPE)
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(EMBEDDED / "mini" / name, folder / name)
    return folder


def _write(path: Path, name: str, rows: int) -> None:
    """The first rows of a file of SIB-200, of three topics in turn."""
    with gzip.open(EMBEDDED / "sib200" / f"{name}.tsv.gz", "rt", encoding="utf-8") as file:
        head, *lines = file.read().splitlines()
    topics = [[line for line in lines if line.endswith(f"\t{topic}")] for topic in TOPICS]
    some = [line for turn in zip(*topics, strict=False) for line in turn][:rows]
    path.write_text("\n".join([head, *some]) + "\n", encoding="utf-8")
