"""A synthetic run folder: what the runner leaves, without any model."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conlst.recipe import Recipe

CLASSES = ["a", "b", "c"]
STAGES = ["source", "contrastive", "self_training-1", "self_training-2"]


@dataclass
class Bed:
    """Texts of a made-up task: en is only evaluated, fr and sw are adapted to."""

    path: Path
    adapt: str = "joint"
    pool_gold: bool = True
    classes: list[str] = field(default_factory=lambda: list(CLASSES))
    no_test: tuple[str, ...] = ()
    overlap: float = 0.0
    collapse: dict[str, list[str]] = field(default_factory=dict)
    """By record path under checkpoints/, such as `fr/contrastive`: what the run noticed."""
    warnings: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=lambda: ["news", "mail"])
    stages: list[str] = field(default_factory=lambda: list(STAGES))
    text: str = "text {id}"
    """What rows say."""
    rows: int = 60

    def __post_init__(self):
        self.rng = np.random.default_rng(0)
        self.run = self.path / "run"
        self.gold = {}
        self.tables = {}

    def write(self) -> Path:
        self._files()
        self._json()
        self._record("source", None)
        self._stage("source", "", ["en", "fr", "sw"], ["fr", "sw"])
        for code in [""] if self.adapt == "joint" else ["fr/", "sw/"]:
            self._lineage(code)
        return self.run

    def _lineage(self, folder):
        own = [folder.strip("/")] if folder else ["fr", "sw"]
        for name in self.stages[1:]:
            self._record(f"{folder}{name}", folder.strip("/") or None)
            self._stage(name, folder, own if folder else ["en", "fr", "sw"], own)
            if f"{folder}{name}" in self.collapse:
                return

    def _files(self):
        for code in ("en", "fr", "sw"):
            for kind in ("test", "pool"):
                labels = self.rng.integers(0, len(self.classes), self.rows)
                ids = [f"{kind}{i}" for i in range(self.rows)]
                self.gold[kind, code] = dict(zip(ids, labels.tolist(), strict=True))
                rows = [
                    {
                        "id": id_,
                        "text": self.text.format(id=id_),
                        "label": self.classes[y],
                        "genre": g,
                    }
                    for id_, y, g in zip(ids, labels, self.groups * self.rows, strict=False)
                ]
                text = "\n".join(json.dumps(row) for row in rows)
                (self.path / f"{code}.{kind}.jsonl").write_text(text)

    def _json(self):
        self.run.mkdir()
        (self.run / "recipe.json").write_text(self.recipe().model_dump_json())
        languages = {
            code: {
                "pool": 0 if code == "en" else self.rows,
                "test": None if code in self.no_test else self.rows,
                "test_in_pool": None if code == "en" else self.overlap,
                "ids_in_source": 0.25,
            }
            for code in ("en", "fr", "sw")
        }
        data = {"classes": self.classes, "notes": ["a note"], "languages": languages}
        gold = (self.path / "fr.test.jsonl").read_bytes()
        hashes = {"fr.test": hashlib.sha256(gold).hexdigest()}
        (self.run / "data.json").write_text(json.dumps(data | {"hashes": hashes}))
        facts = {"versions": {"torch": "2"}, "threads": 1}
        (self.run / "environment.json").write_text(json.dumps(facts))

    def file(self, code, kind):
        columns = {"id": "id", "text": "text", "label": "label", "group": "genre"}
        return {"path": str(self.path / f"{code}.{kind}.jsonl"), "columns": columns}

    def recipe(self) -> Recipe:
        targets = {"en": {"test": self.file("en", "test")}}
        for code in ("fr", "sw"):
            targets[code] = {
                "unlabelled": self.file(code, "pool"),
                "test": None if code in self.no_test else self.file(code, "test"),
                "pool_gold": self.file(code, "pool") if self.pool_gold else None,
            }
        source = {"language": "en", "train": self.file("en", "pool")}
        raw = {
            "conlst": 1,
            "name": "bed",
            "model": {"name": "./none"},
            "data": {"adapt": self.adapt, "source": source, "targets": targets},
        }
        raw["contrastive"] = {} if "contrastive" in self.stages else None
        loops = sum(name.startswith("self") for name in self.stages)
        raw["self_training"] = {"iterations": loops} if loops else None
        return Recipe.model_validate(raw)

    def _record(self, place, language):
        record = {
            "name": place.split("/")[-1],
            "language": language,
            "seconds": 2.0,
            "steps": 5,
            "facts": {"loss": {"contrastive": float("nan")}},
            "warnings": self.warnings if place.endswith("contrastive") else [],
            "collapse": self.collapse.get(place, []),
            "source_dev": 0.8,
            "tokens": 1000,
            "padding": 0.1,
        }
        path = self.run / "checkpoints" / place / "record.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record))

    def _stage(self, name, folder, tested, adapted):
        tested = [code for code in tested if code not in self.no_test]
        if tested:
            self._table(f"predictions/{folder}{name}", "test", tested, {})
        extra = {}
        N, C = len(adapted) * self.rows, len(self.classes)
        if name == "contrastive":
            held = self.rng.random((N, C)) < 0.4
            extra["complement"] = pa.array(held.tolist(), pa.list_(pa.bool_()))
            self._curve(folder, adapted)
        elif name != "source":
            taken = np.where(self.rng.random(N) < 0.5, self.rng.integers(0, C, N), -1)
            extra["selected"] = pa.array(taken >= 0)
            extra["label"] = pa.array(taken, pa.int32())
            extra["weight"] = pa.array((taken >= 0).astype(np.float32))
        self._table(f"pseudo_labels/{folder}{name}", "pool", adapted, extra)

    def _table(self, place, kind, codes, extra):
        ids = [id_ for code in codes for id_ in self.gold[kind, code]]
        language = [code for code in codes for _ in self.gold[kind, code]]
        logits = self.rng.normal(size=(len(ids), len(self.classes))) * 2
        probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        columns = {
            "id": pa.array(ids),
            "language": pa.array(language),
            "probabilities": pa.array(probs.tolist(), pa.list_(pa.float32())),
        }
        order = self.rng.permutation(len(ids))  # what is joined by id may stand in any order
        self.save(place, pa.table(columns | extra).take(order))

    def _curve(self, folder, adapted):
        ids = list(self.gold["pool", "fr"])[:20]
        rows = [(step, id_, code) for step in (0, 7) for code in adapted for id_ in ids]
        step, id_, language = map(list, zip(*rows, strict=True))
        label = self.rng.integers(0, len(self.classes), len(rows))
        columns = {
            "step": pa.array(step, pa.int32()),
            "id": id_,
            "language": language,
            "label": pa.array(label, pa.int32()),
        }
        self.save(f"pseudo_labels/{folder}contrastive-curve", pa.table(columns))

    def save(self, place, table):
        path = self.run / f"{place}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        self.tables[place] = table.to_pylist()


@pytest.fixture
def bed(tmp_path):
    return lambda **options: Bed(tmp_path, **options)
