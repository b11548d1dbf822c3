"""Texts and encoders to measure with: real sentences, random weights, and one trained model."""

import csv
import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from transformers import AutoConfig, BertConfig, BertForSequenceClassification
from transformers.utils import logging as transformers_logging

import conlst
from benchmarks.speed.setting import Setting
from conlst import bench, predict, train
from conlst import recipe as recipes
from conlst.arrays import Pool, Rows, TokenBatch, Tokens
from conlst.model import Classifier
from conlst.progress import Progress
from conlst.recipe import Recipe
from conlst.stages import source as source_stage
from conlst.stages.material import Source, Target, target_of
from conlst.train import Tools

transformers_logging.disable_progress_bar()

PACKAGE = Path(conlst.__file__).parent / "embedded"
MINI, SIB = PACKAGE / "mini", PACKAGE / "sib200"
LANGUAGES = ["en", "fr", "sw", "ur", "zh"]
CLASSES = ("contradiction", "entailment", "neutral")
MAX_LENGTH = 128


@dataclass(frozen=True)
class Shape:
    """A BERT encoder's shape, with the vocabulary of the packaged tokenizer."""

    layers: int
    width: int
    heads: int
    dropout: float = 0.1
    vocabulary: int = 24000

    def __str__(self) -> str:
        return f"{self.layers}x{self.width}"

    def flops(self, lengths: torch.Tensor) -> float:
        """Of one forward pass over the real tokens: 24 L d^2 a token, and 4 L d T for attention."""
        linear = 24 * self.layers * self.width**2 * int(lengths.sum())
        return float(linear + 4 * self.layers * self.width * int(lengths.square().sum()))


TINY, SMALL = Shape(2, 32, 2), Shape(4, 256, 4)
MINILM, BASE = Shape(6, 384, 12), Shape(12, 768, 12)
LARGE = Shape(24, 1024, 16)
"""BASE and LARGE have the layers of XLM-R's two; its vocabulary is what `XLMR` adds to BASE."""
XLMR = Shape(12, 768, 12, vocabulary=250_002)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ON_GPU = DEVICE.type == "cuda"


def cache() -> Path:
    """Where encoders wait for the next goal; a temp folder of this user's."""
    folder = Path(tempfile.gettempdir()) / f"conlst-speed-{Path.home().name}"
    folder.mkdir(exist_ok=True)
    return folder


def folder(shape: Shape, seed: int = 13) -> Path:
    """A classifier of this shape with random weights, saved with the packaged tokenizer."""
    name = hashlib.sha256(f"{shape!r} {seed} {CLASSES}".encode()).hexdigest()[:12]
    place = cache() / f"{shape}-{name}"
    if (place / "done").exists():
        return place
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
        pad_token_id=AutoConfig.from_pretrained(MINI).pad_token_id,
        id2label=dict(enumerate(CLASSES)),
        label2id={label: i for i, label in enumerate(CLASSES)},
    )
    BertForSequenceClassification(config).save_pretrained(place)
    _with_tokenizer(place)
    (place / "done").touch()
    return place


def _with_tokenizer(place: Path) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINI / file, place / file)


def texts(setting: Setting, rows: int) -> Rows:
    """Pairs in five languages in random order: XNLI's, or SIB-200's sentences cut in two halves.

    CrossEncoder takes pairs only.
    """
    found = [row for code in LANGUAGES for row in _read(setting, code)]
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(setting.seed))
    kept = [found[i] for i in order[:rows].tolist()]
    if len(kept) < rows:
        raise ValueError(f"{rows} rows are asked for; there are {len(found)}")
    ids, languages, first, second = ([row[i] for row in kept] for i in range(4))
    return Rows(ids, first, second, languages)


def _read(setting: Setting, code: str) -> list[tuple[str, str, str, str]]:
    """(id, language, first text, second text)."""
    place = SIB / f"pool.{code}.tsv.gz"
    if setting.bed:
        place = Path(setting.bed) / "xnli" / f"dev.{code}.tsv.gz"
    with gzip.open(place, "rt", encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if setting.bed:
        return [(row["id"], code, row["premise"], row["hypothesis"]) for row in found]
    halves = [(row["text"], len(row["text"]) // 2) for row in found]
    ids = [row["id"] for row in found]
    return [(id, code, x[:n], x[n:]) for id, (x, n) in zip(ids, halves, strict=True)]


def recipe_of(place: Path, precision: str, **sections: Any) -> Recipe:
    """A recipe around a model folder; its files are named, never read."""
    data = {
        "source": {"train": {"path": "train.tsv"}},
        "targets": {code: {"unlabelled": {"path": f"{code}.tsv"}} for code in LANGUAGES[1:]},
    }
    model = {"name": str(place), "max_length": MAX_LENGTH, "precision": precision}
    return recipes.load({"conlst": 1, "model": model, "data": data, **sections})


def classifier(place: Path, precision: str, classes: tuple[str, ...] = CLASSES) -> Classifier:
    """The model as a run loads it, in a run's precision: the one way from a folder to ours."""
    return bench.untrained(
        recipe_of(place, precision), classes, train.accelerator(precision)
    ).eval()


def tools(model: Classifier, precision: str, seed: int = 13) -> Tools:
    """Device, chance and silence for a stage."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    return Tools(in_precision(model, precision), generator, Progress())


def padded(batch: TokenBatch) -> dict[str, torch.Tensor]:
    """A padded batch as transformers' models take it."""
    held = {
        "input_ids": batch.ids_BT,
        "attention_mask": batch.attention_BT,
        "token_type_ids": batch.segments_BT,
    }
    return {name: value.to(DEVICE) for name, value in held.items() if value is not None}


def in_precision(model: Classifier, precision: str) -> Accelerator:
    """Set up a model's precision anew: accelerate knows one a process, and arms take turns."""
    computer = train.accelerator(precision)
    model.autocast = computer.autocast
    return computer


def target(rows: Rows, tokens: Tokens) -> Target:
    """The rows as one target, each a group of its own."""
    alone = replace(rows, ids=[str(n) for n in range(len(rows))])
    return target_of(alone, tokens, LANGUAGES)


def spread_pool(target: Target, classes: tuple[str, ...], features: int, seed: int) -> Pool:
    """A pool whose pseudo-labels are balanced and all confident, as if a good model had said so."""
    N, C = len(target.rows), len(classes)
    label = torch.randperm(N, generator=torch.Generator().manual_seed(seed)) % C
    logits = 6.0 * torch.nn.functional.one_hot(label, C).float()
    said = predict.Labelled(logits, logits.softmax(1), torch.zeros(N, features))
    return replace(target.pool(classes, said), confident=torch.ones(N, dtype=torch.bool))


def source_of(rows: Rows, tokens: Tokens, classes: tuple[str, ...]) -> Source:
    """Rows with labels in turn."""
    label = torch.arange(len(rows)) % len(classes)
    return Source(rows, tokens, label, classes, torch.zeros_like(label))


def sib(part: str, code: str) -> tuple[Rows, list[str]]:
    """A packaged SIB-200 file, and its labels."""
    with gzip.open(SIB / f"{part}.{code}.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    columns: Mapping[str, list[str]] = {k: [row[k] for row in found] for k in found[0]}
    return Rows(columns["id"], columns["text"], None, [code] * len(found)), columns["label"]


def trained(setting: Setting, epochs: int = 6) -> Path:
    """The packaged encoder after a short stage 0 on SIB-200's English rows; made once."""
    epochs = 1 if setting.quick else epochs
    place = cache() / f"trained-{epochs}-{setting.seed}"
    if (place / "done").exists():
        return place
    rows, labels = sib("source", "en")
    if setting.quick:
        rows, labels = rows.take(range(48)), labels[:48]
    classes = tuple(sorted(set(sib("source", "en")[1])))
    model = bench.untrained(recipe_of(MINI, "fp32"), classes, train.accelerator("fp32"))
    label = torch.tensor([classes.index(name) for name in labels])
    stage = recipe_of(MINI, "fp32", source={"epochs": epochs, "learning_rate": 4e-4}).source
    source = Source(rows, model.tokenise(rows), label, classes, torch.zeros_like(label))
    source_stage.train(stage, model, source, tools(model, "fp32", setting.seed))
    model.save(place)
    (place / "classes.json").write_text(json.dumps(classes))
    (place / "done").touch()
    return place
