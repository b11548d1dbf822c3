"""Goal 5: a step with B*K = 4096 negatives in the memory of one with 128, and the same gradient.

Each step runs in a process of its own, whose largest resident size counts, imports and all. Rows
are random tokens, so that there are enough of them: 30,000 of 8 to 24 tokens.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from benchmarks.speed import apart, bed
from benchmarks.speed.bed import CLASSES
from benchmarks.speed.contrastive_step import Work
from benchmarks.speed.rounds import Line
from benchmarks.speed.setting import Setting
from conlst.arrays import LossInput, Rows, Tokens
from conlst.losses import ContrastiveNegative

B, FEW, MANY = 32, 4, 128


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Peak memory of both, then the largest difference of a gradient."""
    setting = Setting.of(told)
    few, many = (_peak(told, K) for K in (FEW, setting.size(MANY, 8)))
    difference = gradient_difference(setting)
    lines = [
        Line(
            f"peak memory of a stage-1 step, B*K = {B * MANY}, {bed.SMALL}",
            f"B*K = {B * FEW}: {few / 1e9:.2f} GB",
            f"conlst: {many / 1e9:.2f} GB",
            [many / few],
            1.3,
            "<=",
        ),
        Line(
            f"its gradient, against one whole graph, B*K = {B * MANY}",
            "autograd, everything at once",
            f"conlst: {difference:.1e} of the largest entry",
            [difference],
            1e-5,
            "<=",
            "",
        ),
    ]
    return [line.json() for line in lines]


def _peak(told: dict[str, Any], K: int) -> int:
    """Bytes: of the process that makes one step, or of the GPU's memory in it."""
    on_gpu, resident = apart.run(__name__, "one_step", told=told, K=K)
    return on_gpu or resident


def one_step(told: dict[str, Any], K: int) -> int:
    """One step of stage 1, each anchor with K negatives of its own; the GPU's bytes, if any."""
    setting = Setting.of(told)
    _work(setting, bed.TINY if setting.quick else bed.SMALL, K).step()
    return torch.cuda.max_memory_allocated() if bed.ON_GPU else 0


def _work(setting: Setting, shape: bed.Shape, K: int) -> Work:
    rows = setting.size(30000, 600)
    work = Work(setting, shape, "fp32", B, K, "anchor", rows=5, steps=1)
    texts, tokens = _random_rows(rows, shape.vocabulary, setting.seed)
    work.target = bed.target(texts, tokens)
    work.pool = bed.spread_pool(work.target, CLASSES, shape.width, setting.seed)
    return work


def _random_rows(N: int, vocabulary: int, seed: int) -> tuple[Rows, Tokens]:
    g = torch.Generator().manual_seed(seed)
    lengths = torch.randint(8, 25, (N,), generator=g)
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    ids = torch.randint(10, vocabulary, (int(offsets[-1]),), generator=g).int()
    names = [str(n) for n in range(N)]
    return Rows(names, [""] * N, None, ["fr"] * N), Tokens(ids, None, offsets)


def gradient_difference(setting: Setting) -> float:
    """Of the library's step and of one graph over all rows; no dropout, so that both are exact."""
    K = setting.size(MANY, 8)
    work = _work(setting, bed.Shape(2, 32, 2, dropout=0.0), K)
    work.stage = work.stage.model_copy(update={"clip": 1e9})
    kept: list[dict[str, Tensor]] = []
    weights: list[dict[str, Tensor]] = []

    def keep(*_: object) -> None:
        kept.append(_gradients(work))
        weights.append({name: v.clone() for name, v in work.model.state_dict().items()})

    hook = register_optimizer_step_pre_hook(keep)
    work.step()
    hook.remove()
    work.model.load_state_dict(weights[-1])
    _whole_graph(work)
    mine, whole = kept[-1], _gradients(work)
    largest = max(float(g.abs().max()) for g in whole.values())
    return max(float((mine[name] - g).abs().max()) for name, g in whole.items()) / largest


def _gradients(work: Work) -> dict[str, Tensor]:
    named = work.model.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


def _whole_graph(work: Work) -> None:
    """The loss of the recorded step as it is written in the paper, on one graph."""
    anchors_B, rows_BK = work.drawn()
    model, tokens = work.model, work.target.tokens
    model.train()
    model.zero_grad()

    def outputs(rows: Tensor) -> Tensor:
        return model.project(model.encode(tokens, rows).features)

    negatives = outputs(rows_BK.flatten().clamp(min=0))
    mine = torch.eye(len(anchors_B), dtype=torch.bool).repeat_interleave(rows_BK.shape[1], 1)
    x = LossInput(
        torch.zeros(len(anchors_B), len(CLASSES), device=model.device),
        anchor=outputs(anchors_B),
        positive=outputs(anchors_B),
        negatives=negatives,
        negative_mask=(mine & (rows_BK.flatten() >= 0)).to(model.device),
    )
    ContrastiveNegative()(x).mean().backward()
