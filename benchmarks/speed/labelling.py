"""Goal 1: a pseudo-label pass against the five that people use, on the same texts and weights.

Peers run in batches of 32. Trainer is handed token ids; CrossEncoder and conlst also tokenise.
"""

import tempfile
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from datasets import Dataset
from sentence_transformers import CrossEncoder
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from benchmarks.speed import bed
from benchmarks.speed.bed import MAX_LENGTH
from benchmarks.speed.rounds import Arm, Line, alternate, now, times_faster
from benchmarks.speed.setting import Setting
from conlst.arrays import Rows
from conlst.model import Classifier
from conlst.predict import label
from conlst.progress import Progress

FULL, PADDED = "Trainer.predict, max_length", "Trainer.predict, DataCollatorWithPadding"
BF16 = "Trainer.predict(bf16=True), DataCollatorWithPadding"
CROSS = "CrossEncoder.predict"
OURS, FP32 = "conlst", "conlst, fp32"


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The five comparisons, then what the speed may not cost."""
    setting = Setting.of(told)
    shape = bed.BASE if bed.ON_GPU else bed.MINILM
    rows = bed.texts(setting, setting.size(1024 if bed.ON_GPU else 256, 12))
    place = bed.folder(bed.TINY if setting.quick else shape)
    arms: dict[str, Arm] = _trainers(place, rows)
    cross = CrossEncoder(str(place), max_length=MAX_LENGTH, device=str(bed.DEVICE))
    pairs = list(zip(rows.texts, rows.pairs or (), strict=True))
    arms[CROSS] = lambda: _quiet(cross.predict(pairs, batch_size=32, show_progress_bar=False))
    for name, precision in ((OURS, "bf16"), (FP32, "fp32")):
        arms[name] = _ours(bed.classifier(place, precision), precision, rows)
    _warm(place, rows, arms)
    seconds = alternate(arms, setting.rounds, warm_up=False)
    n = len(rows)
    lines = [
        times_faster(f"labels, {shape}", seconds, FULL, 12, OURS, n),
        times_faster(f"labels, {shape}", seconds, PADDED, 9, OURS, n),
        times_faster(f"labels, {shape}", seconds, CROSS, 5, OURS, n),
        times_faster(f"labels, {shape}", seconds, BF16, 3.3, OURS, n),
        times_faster(f"labels, {shape}, fp32", seconds, CROSS, 1.2, FP32, n),
    ]
    return [line.json() for line in lines + _faithful(setting)]


def _trainers(place: Path, rows: Rows) -> dict[str, Arm]:
    """Trainer.predict in three ways, of batches of 32; its tokenising and making are not timed."""
    tokenizer = AutoTokenizer.from_pretrained(place)
    folder = tempfile.mkdtemp()

    def arm(padding: str | bool, bf16: bool) -> Arm:
        how = {"truncation": True, "max_length": MAX_LENGTH, "padding": padding}
        encoded = tokenizer(list(rows.texts), list(rows.pairs or ()), **how)
        data = Dataset.from_dict(dict(encoded))
        collator = None if padding else DataCollatorWithPadding(tokenizer)

        def run() -> float:
            AcceleratorState._reset_state()  # accelerate knows one precision a process
            arguments = TrainingArguments(
                folder,
                per_device_eval_batch_size=32,
                bf16=bf16,
                use_cpu=not bed.ON_GPU,
                report_to=[],
                disable_tqdm=True,
            )
            # A model anew: a Trainer leaves its autocast wrapped around the one it was given.
            model = AutoModelForSequenceClassification.from_pretrained(place)
            cast: list[bool] = []
            model.classifier.register_forward_pre_hook(
                lambda *_: cast.append(torch.is_autocast_enabled(bed.DEVICE.type))
            )
            trainer = Trainer(model, arguments, data_collator=collator)
            start = now()
            trainer.predict(data)
            seconds = now() - start
            if set(cast) != {bf16}:
                raise AssertionError(f"Trainer(bf16={bf16}) ran with autocast {set(cast)}")
            return seconds

        return run

    return {
        FULL: arm("max_length", False),
        PADDED: arm(False, False),
        BF16: arm(False, True),
    }


def _ours(model: Classifier, precision: str, rows: Rows) -> Arm:
    def run() -> float:
        bed.in_precision(model, precision)
        start = now()
        label(model, model.tokenise(rows), Progress(), "")
        return now() - start

    return run


def _quiet(_: object) -> None:
    """An arm gives no seconds of its own."""


def _warm(place: Path, rows: Rows, arms: dict[str, Arm]) -> None:
    """Kernels are chosen at the first call: a few rows do, a whole pass would cost a minute."""
    few = rows.take(range(min(8, len(rows))))
    for arm in _trainers(place, few).values():
        arm()
    for name in (OURS, FP32):
        arms[name]()


def _faithful(setting: Setting) -> list[Line]:
    """On a trained model: labels in bf16 as in fp32, and fp32 as transformers, row by row."""
    place = bed.trained(setting)
    classes = tuple(sorted(set(bed.sib("source", "en")[1])))
    codes = bed.LANGUAGES if not setting.quick else ["en"]
    agree, apart, n = [], [], 0
    fp32, bf16 = (bed.classifier(place, name, classes) for name in ("fp32", "bf16"))
    for code in codes:
        rows, _ = bed.sib("pool", code)
        said = _said(fp32, "fp32", rows)
        agree.append(_same(said, _said(bf16, "bf16", rows)))
        some = rows.take(range(setting.size(100, 5)))
        apart.append(float((said[: len(some)] - _alone(place, some)).abs().max()))
        n += len(rows)
    return [
        Line(
            "labels of a trained model in bf16 as in fp32",
            f"conlst, fp32: {n} rows",
            f"conlst, bf16: {100 * sum(agree) / len(agree):.2f} % the same",
            [sum(agree) / len(agree)],
            0.995,
            ">=",
            "",
        ),
        Line(
            "largest difference of a probability, fp32",
            "transformers, row by row",
            f"conlst, fp32: {max(apart):.1e}",
            [max(apart)],
            1e-5,
            "<=",
            "",
        ),
    ]


def _said(model: Classifier, precision: str, rows: Rows) -> torch.Tensor:
    bed.in_precision(model, precision)
    return label(model, model.tokenise(rows), Progress(), "").probs_NC


def _same(one_NC: torch.Tensor, other_NC: torch.Tensor) -> float:
    return float((one_NC.argmax(1) == other_NC.argmax(1)).double().mean())


@torch.inference_mode()
def _alone(place: Path, rows: Rows) -> torch.Tensor:
    """Probabilities of each row on its own, by transformers: nothing padded, nothing packed."""
    network = AutoModelForSequenceClassification.from_pretrained(place).eval()
    tokenizer = AutoTokenizer.from_pretrained(place)
    how = {"truncation": True, "max_length": MAX_LENGTH, "return_tensors": "pt"}
    logits = [network(**tokenizer(text, **how)).logits for text in rows.texts]
    return torch.cat(logits).softmax(1)
