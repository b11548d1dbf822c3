"""Goal 2: what share of the machine's bf16 matrix rate labelling reaches, on real tokens alone."""

from statistics import median
from typing import Any

import torch

from benchmarks.speed import bed
from benchmarks.speed.machine import gemm_rate
from benchmarks.speed.rounds import Line, alternate
from benchmarks.speed.setting import Setting
from conlst.predict import label
from conlst.progress import Progress


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Floating-point operations a second of a pass, over those of a matrix product beside it."""
    setting = Setting.of(told)
    plan = [(bed.MINILM, 400, 0.45), (bed.BASE, 96, 0.60)]
    if setting.quick:
        plan = [(bed.TINY, 12, 0.45)]
    return [_line(setting, *part).json() for part in plan]


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


def void(_: object) -> None:
    """An arm gives no seconds of its own."""
