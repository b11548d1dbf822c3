"""Goal 4: a stage-1 step against what it encodes, and against the loop that one writes first.

The encoder is of the packaged one's shape. The optimiser is timed by itself and taken off, since
the bare arm has none. Stage 1 here has no source term, so that what a step encodes is known: two
views of its anchors, and the drawn rows.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed import bed
from benchmarks.speed.bed import CLASSES
from benchmarks.speed.recorded import Few, Recorded
from benchmarks.speed.rounds import Line, Rounds, alternate, duration, now, times_faster
from benchmarks.speed.setting import Setting
from conlst.arrays import LossInput, Pool
from conlst.losses import ContrastiveNegative
from conlst.model import Classifier
from conlst.recipe import ContrastiveStage
from conlst.stages import contrastive
from conlst.stages.material import Target
from conlst.tokens import pad

NAIVE, BARE, OURS = "naive loop", "bare forward and backward", "conlst"


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """B = 32 anchors, K = 16 negatives, three classes."""
    setting = Setting.of(told)
    B, K = (32, 16) if not setting.quick else (4, 3)
    shape, precision = (bed.BASE, "bf16") if bed.ON_GPU else (bed.SMALL, "fp32")
    work = Work(setting, bed.TINY if setting.quick else shape, precision, B, K)
    arms = {
        OURS: work.step,
        BARE: work.bare,
        "optimiser": optimiser(work.model),
        NAIVE: work.naive,
    }
    for name in (OURS, BARE, "optimiser"):  # ours first: it records what the others encode
        arms[name]()
    seconds = alternate(arms, setting.rounds, warm_up=False)
    fewer = [a - b for a, b in zip(seconds[OURS], seconds["optimiser"], strict=True)]
    told_at = f"stage-1 step, B={B}, K={K}, {shape}"
    lines = [
        _over_bare(told_at, fewer, seconds),
        times_faster(told_at, seconds | {OURS: fewer}, NAIVE, 5, OURS),
    ]
    return [line.json() for line in lines]


def _over_bare(what: str, fewer: list[float], seconds: Rounds) -> Line:
    return Line(
        f"{what}, over what it encodes",
        f"{BARE}: {duration(median(seconds[BARE]))}",
        f"{OURS}: {duration(median(fewer))}, optimiser taken off",
        [a / b for a, b in zip(fewer, seconds[BARE], strict=True)],
        1.08,
        "<=",
    )


class Work:
    """A model, a pool of a few thousand rows, and one step of stage 1 on it."""

    def __init__(
        self,
        setting: Setting,
        shape: bed.Shape,
        precision: str,
        B: int,
        K: int,
        share: str = "class",
        rows: int = 1500,
        steps: int = 2,
    ) -> None:
        self.setting, self.precision = setting, precision
        self.model: Classifier = bed.classifier(bed.folder(shape), precision)
        texts = bed.texts(setting, setting.size(rows, 120))
        self.target: Target = bed.target(texts, self.model.tokenise(texts))
        self.pool: Pool = bed.spread_pool(self.target, CLASSES, shape.width, setting.seed)
        self.sampler = Recorded(count=K, share=share)
        self.stage: ContrastiveStage = bed.recipe_of(
            bed.folder(shape), precision, contrastive={"batch_size": B, "curve": steps}
        ).contrastive.model_copy(
            update={
                "negatives": self.sampler,
                "complement": Few(rows=steps * B),
                "source_loss": None,
                "warmup": 0.0,
            }
        )

    def step(self) -> float:
        """The library's: draw, encode, loss, backward, optimiser. Of two steps the second counts.

        What a stage does once, such as its lists of the pool and AdamW's moments, is in the first.
        """
        at: list[float] = []
        self.sampler.forget()
        source = bed.source_of(self.target.rows, self.target.tokens, CLASSES)
        tools = bed.tools(self.model, self.precision, self.setting.seed)
        contrastive.train(
            self.stage,
            self.model,
            source,
            self.target,
            self.pool,
            tools,
            lambda step: at.append(now()),
        )
        return at[-1] - at[0]

    def drawn(self) -> tuple[Tensor, Tensor]:
        """(anchors int64[B], their rows int64[B, K]) of the step that counts."""
        return self.sampler.steps()[-1]

    def bare(self) -> None:
        """Forward and backward of every row that the step encodes, in one call."""
        anchors_B, rows_BK = self.drawn()
        rows_M = rows_BK.unique()
        rows_M = rows_M[(rows_M >= 0) & ~torch.isin(rows_M, anchors_B)]
        self.model.train()
        self.model.encode(
            self.target.tokens, torch.cat([anchors_B.repeat(2), rows_M])
        ).features.square().mean().backward()
        self.model.zero_grad()

    def naive(self) -> None:
        """Each anchor's negatives encoded for itself by transformers, padded to their longest."""
        anchors_B, rows_BK = self.drawn()
        model, tokens = self.model, self.target.tokens
        network: Any = model.network
        loss = ContrastiveNegative()
        model.train()

        def outputs(rows: Tensor) -> Tensor:
            batch = pad(tokens, rows, model.tokenizer)
            pooled = network.bert(**bed.padded(batch)).pooler_output
            return model.project(network.dropout(pooled))

        z_BD, positive_BD = outputs(anchors_B), outputs(anchors_B)
        terms = []
        for b, rows_K in enumerate(rows_BK):
            h_KD = outputs(rows_K[rows_K >= 0])
            x = LossInput(
                torch.zeros(1, len(CLASSES), device=model.device),
                anchor=z_BD[b : b + 1],
                positive=positive_BD[b : b + 1],
                negatives=h_KD,
                negative_mask=torch.ones(1, len(h_KD), dtype=torch.bool, device=model.device),
            )
            terms.append(loss(x))
        torch.cat(terms).mean().backward()
        model.zero_grad()


def optimiser(model: Classifier) -> Callable[[], None]:
    """What `optimise` does beside forward and backward: clipping and a step of AdamW."""

    parameters = list(model.parameters())
    gradients = [torch.zeros_like(parameter) for parameter in parameters]  # backward makes these

    adamw = torch.optim.AdamW(parameters, lr=1e-9, fused=True)

    def arm() -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adamw.step()
        adamw.zero_grad()

    return arm
