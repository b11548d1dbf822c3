"""What is thought of a stage's new weights, without any target label."""

import math
from typing import Any

import pyarrow.compute
import pyarrow.parquet as pq
import torch

from conlst.arrays import Pool
from conlst.bench import SOURCE, Bench
from conlst.criteria import Criterion, Verdict
from conlst.stages.collapse import ONE_CLASS, effective_classes, pool_symptoms, source_symptoms

pc: Any = pyarrow.compute


def one_class(bench: Bench, languages: list[str], place: str) -> list[str]:
    """A source model that takes all of a pool for one class gives nothing to adapt with."""
    told = [
        f"the source model takes nearly all {code} rows for one class: it may not have learnt the "
        "task (too large a learning_rate, too few epochs), and pseudo-labels will not mend that"
        for code in languages
        if effective_classes(
            bench.label_pools([code], place).logits_NC.argmax(1), len(bench.classes)
        )
        < ONE_CLASS
    ]
    for text in told:
        bench.progress.warn(text)
    return told


def collapse(bench: Bench, languages: list[str], place: str, accuracy: float) -> list[str]:
    """Compare with what the source stage left, by its own files, language by language."""
    first = bench.folder.read_json(f"{SOURCE}/record.json")
    assert first is not None
    table = pq.read_table(bench.folder.path / "pseudo_labels/source.parquet")
    C, told = len(bench.classes), []
    for code in languages:
        mine = table.filter(pc.equal(table["language"], code))
        before = torch.tensor(mine["probabilities"].to_pylist()).argmax(1)
        after = bench.label_pools([code], place).logits_NC.argmax(1)
        told += [f"{code}: {why}" for why in pool_symptoms(before, after, C)]
    return told + source_symptoms(first["source_dev"], accuracy)


def value(criterion: Criterion, pool: Pool, before: Pool | None, accuracy: float) -> float | None:
    """A criterion's figure of a checkpoint; None where it has nothing to stand on."""
    found = criterion(pool, before=before, source_accuracy=accuracy)
    return found if math.isfinite(found) else None


def verdict(criterion: Criterion, values: list[float | None]) -> Verdict:
    """Whether to go on, by the figures so far: at the start of self-training, then by iteration."""
    return criterion.verdict([math.nan if v is None else v for v in values])
