"""Goal 2: what share of the machine's bf16 matrix rate is reached, on real tokens alone.

On a CPU, in labelling. On a GPU, in labelling and in whole steps of training (forward, backward at
twice its cost, AdamW), for layers of XLM-R's two sizes.
"""

from statistics import median
from typing import Any

import torch

from benchmarks.speed import bed
from benchmarks.speed.bed import CLASSES
from benchmarks.speed.machine import gemm_rate
from benchmarks.speed.rounds import Line, alternate
from benchmarks.speed.setting import Setting
from benchmarks.speed.steps import library_steps
from conlst.predict import label
from conlst.progress import Progress


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Floating-point operations a second of a pass, over those of a matrix product beside it."""
    setting = Setting.of(told)
    plan = [(bed.MINILM, 400, 0.45), (bed.BASE, 96, 0.60)]
    if bed.ON_GPU:
        plan = [(bed.BASE, 8192, 0.50), (bed.LARGE, 4096, 0.50)]
    if setting.quick:
        plan = [(bed.TINY, 12, 0.45)]
    lines = [_line(setting, *part) for part in plan]
    if bed.ON_GPU and not setting.quick:
        shapes = (bed.BASE, bed.LARGE)
        lines += [_training(setting, shape, B) for shape in shapes for B in (32, 256)]
    return [line.json() for line in lines]


def _line(setting: Setting, shape: bed.Shape, rows: int, asked: float) -> Line:
    model = bed.classifier(bed.folder(shape), "bf16")
    tokens = model.tokenise(bed.texts(setting, rows))
    flops, ceiling, seconds = shape.flops(tokens.lengths), [], []
    run = {"conlst": lambda: void(label(model, tokens, Progress(), ""))}
    run["conlst"]()
    for _ in range(setting.rounds):  # the ceiling is measured anew beside every pass
        ceiling.append(gemm_rate(torch.bfloat16, (shape.width, 4 * shape.width)))
        seconds += alternate(run, 1, warm_up=False)["conlst"]
    rate = [flops / s for s in seconds]
    return Line(
        f"share of the bf16 matrix rate, {shape}",
        f"matrix product: {median(ceiling) / 1e9:.0f} GF/s",
        f"conlst: {median(rate) / 1e9:.0f} GF/s on real tokens",
        [mine / all_ for mine, all_ in zip(rate, ceiling, strict=True)],
        asked,
        ">=",
        "",
    )


def _training(setting: Setting, shape: bed.Shape, B: int, steps: int = 12) -> Line:
    """The same of steps on source rows; the first is not counted."""
    model = bed.classifier(bed.folder(shape), "bf16")
    rows = bed.texts(setting, B * steps)
    tokens = model.tokenise(rows)
    source, batches = bed.source_of(rows, tokens, CLASSES), list(torch.arange(B * steps).split(B))
    arm = library_steps(model, source, batches, lambda: bed.tools(model, "bf16"))
    flops = 3 * shape.flops(tokens.lengths[B:]) / (steps - 1)
    ceiling, rate = [], []
    arm()
    for _ in range(setting.rounds):
        ceiling.append(gemm_rate(torch.bfloat16, (shape.width, 4 * shape.width)))
        rate.append(flops / arm())
    return Line(
        f"share of the bf16 matrix rate in training, {shape}, B={B}",
        f"matrix product: {median(ceiling) / 1e12:.0f} TF/s",
        f"conlst: {median(rate) / 1e12:.0f} TF/s on real tokens",
        [mine / all_ for mine, all_ in zip(rate, ceiling, strict=True)],
        0.40,
        ">=",
        "",
    )


def void(_: object) -> None:
    """An arm gives no seconds of its own."""
