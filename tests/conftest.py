"""A tiny bed: real SIB-200 sentences, the real tokenizer, an encoder of two thin layers."""

import gzip
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, BertModel

import conlst
from conlst.report import figures
from conlst.report.figures.canvas import Drawing

EMBEDDED = Path(conlst.__file__).parent / "embedded"
SIB, MINI = EMBEDDED / "sib200", EMBEDDED / "mini"
TOPICS = ["geography", "politics", "sports"]


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job that a shell put aside
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests press Ctrl-C


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """The bed is too small for two, and results are compared bit for bit."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """No test reads or fills the user's."""
    os.environ["CONLST_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    """Figures take longer than a tiny run: they are drawn where a test is marked so."""
    if "drawn" in request.keywords:
        return
    names = ("change", "confidence", "curve", "balance", "selection", "reliability")
    empty = {name: Drawing(name, "Title", "Caption") for name in names}
    monkeypatch.setattr(figures, "every", lambda report: empty)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    """The mini encoder's shape with two layers of width 32, and its tokenizer."""
    folder = tmp_path_factory.mktemp("tiny")
    config = AutoConfig.from_pretrained(MINI)
    config.update(
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "intermediate_size": 64,
            "num_attention_heads": 2,
        }
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINI / name, folder / name)
    return folder


def excerpt(name: str, rows: int) -> list[list[str]]:
    """The first rows of a SIB-200 file of three topics, in turn: id, text, label."""
    with gzip.open(SIB / f"{name}.tsv.gz", "rt", encoding="utf-8") as file:
        cells = [line.split("\t") for line in file.read().splitlines()[1:]]
    topics = [[row for row in cells if row[2] == topic] for topic in TOPICS]
    return [row for turn in zip(*topics, strict=False) for row in turn][:rows]


def write(path: Path, rows: list[list[str]], header: str = "id\ttext\tlabel") -> Path:
    path.write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """English labels, a French and a Swahili pool with their gold, and tests."""
    folder = tmp_path_factory.mktemp("files")
    write(folder / "source.tsv", excerpt("source.en", 48))
    for code in ("en", "fr", "sw"):
        write(folder / f"test.{code}.tsv", excerpt(f"test.{code}", 20))
        write(folder / f"pool.{code}.tsv", excerpt(f"pool.{code}", 24))
    return folder


@pytest.fixture
def recipe(tiny_encoder, files) -> dict[str, Any]:
    """A whole run in a few seconds."""
    return {
        "conlst": 1,
        "name": "tiny",
        "seed": 2,  # one with which so small a model keeps telling classes apart, stage after stage
        "model": {"name": str(tiny_encoder), "max_length": 24, "precision": "fp32"},
        "data": {
            "adapt": "joint",
            "source": {"train": {"path": str(files / "source.tsv")}},
            "languages": ["fr", "sw"],
            "each": {
                "unlabelled": {"path": str(files / "pool.{language}.tsv")},
                "test": {"path": str(files / "test.{language}.tsv")},
                "pool_gold": {"path": str(files / "pool.{language}.tsv")},
            },
            "targets": {"en": {"test": {"path": str(files / "test.en.tsv")}}},
        },
        "source": {"epochs": 10, "learning_rate": 3e-3, "batch_size": 8},
        "contrastive": {
            "learning_rate": 1e-4,
            "batch_size": 8,
            "curve": 2,
            "confident": {"type": "fixed", "threshold": 0.4},
            "negatives": {"type": "uniform", "count": 4},
        },
        "self_training": {
            "iterations": 2,
            "epochs": 1,
            "learning_rate": 1e-4,
            "batch_size": 8,
            "selector": {"type": "fixed", "threshold": 0.4},
        },
    }
