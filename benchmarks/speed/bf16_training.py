"""Goal 10: a training step in bf16 against fp32 and against plain autocast, and its loss.

The fp32 arm is the library's too, so that precision alone differs. Plain autocast is transformers'
model on padded batches. Without dropout torch takes its flash kernel, whose bf16 backward is slow
on a CPU: the last comparison would show that.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks.speed import bed
from benchmarks.speed.bed import CLASSES
from benchmarks.speed.rounds import Line, Rounds, alternate, times_faster
from benchmarks.speed.setting import Setting
from benchmarks.speed.steps import HOW, library_steps, plain_steps
from conlst.stages.material import Source

OURS, FP32, PLAIN = "conlst, bf16", "conlst, fp32", "plain autocast"


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Two shapes, one also without dropout, then fifty steps of a real fine-tuning."""
    setting = Setting.of(told)
    small, base = (bed.MINILM, 32, 3), (bed.BASE, 8, 2)
    if bed.ON_GPU:
        small, base = (bed.BASE, 64, 6), (bed.LARGE, 64, 6)
    if setting.quick:
        small = base = (bed.TINY, 4, 2)
    lines = []
    for shape, B, steps in (small, base):
        what, seconds = _seconds(setting, shape, B, steps)
        lines += [
            times_faster(what, seconds, FP32, 2.2, OURS),
            times_faster(what, seconds, PLAIN, 1.0, OURS),
        ]
    bare = (replace(small[0], dropout=0.0), *small[1:])
    what, seconds = _seconds(setting, *bare, fp32=False)
    lines.append(times_faster(f"{what}, no dropout", seconds, PLAIN, 1.0, OURS))
    lines.append(_loss(setting))
    return [line.json() for line in lines]


def _seconds(
    setting: Setting, shape: bed.Shape, B: int, steps: int, *, fp32: bool = True
) -> tuple[str, Rounds]:
    place, arms = bed.folder(shape), {}
    rows = bed.texts(setting, B * steps)
    batches = list(torch.arange(B * steps).split(B))
    for name, precision in ((OURS, "bf16"), (FP32, "fp32")):
        if name == FP32 and not fp32:
            continue
        model = bed.classifier(place, precision)
        source = bed.source_of(rows, model.tokenise(rows), CLASSES)
        tools = partial(bed.tools, model, precision)
        arms[name] = library_steps(model, source, batches, tools)
    arms[PLAIN] = plain_steps(place, source, batches)
    seconds = alternate(arms, setting.rounds, warm_up=False)  # an arm leaves out its first step
    return f"training step in bf16, {shape}, B={B}", seconds


def _loss(setting: Setting) -> Line:
    """Mean loss of each ten of fifty steps from the packaged encoder; dropout off, so same data."""
    count, B = setting.size(50, 10), setting.size(16, 4)
    rows, names = bed.sib("source", "en")
    classes = tuple(sorted(set(names)))
    label = torch.tensor([classes.index(name) for name in names])
    curves: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for precision, curve in curves.items():
        model = bed.classifier(bed.MINI, precision, classes)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if hasattr(module, "dropout_prob"):
                module.dropout_prob = 0.0
        source = Source(rows, model.tokenise(rows), label, classes, torch.zeros_like(label))
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(setting.seed))
        batches = list(order.repeat(4)[: count * B].split(B))
        how = HOW.model_copy(update={"learning_rate": 1e-4})
        library_steps(model, source, batches, partial(bed.tools, model, precision), how, curve)()
        if any(p.dtype != torch.float32 for p in model.parameters()):
            raise AssertionError("the weights that are trained must stay float32")
    tens = {name: torch.tensor(curve).view(-1, 10).mean(1) for name, curve in curves.items()}
    apart = ((tens["bf16"] - tens["fp32"]).abs() / tens["fp32"]).max()
    return Line(
        f"loss over {count} steps, the farthest mean of ten",
        f"fp32: {tens['fp32'][0]:.3f} to {tens['fp32'][-1]:.3f}",
        f"conlst, bf16: {tens['bf16'][0]:.3f} to {tens['bf16'][-1]:.3f}",
        [float(apart)],
        0.02,
        "<=",
        "",
    )
