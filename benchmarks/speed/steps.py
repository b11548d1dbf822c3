"""Steps of the library's own optimisation loop, timed without the first."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.speed.bed import DEVICE, padded
from benchmarks.speed.rounds import now
from conlst.model import Classifier
from conlst.recipe import Optimisation
from conlst.stages.encoded import labelled
from conlst.stages.material import Source
from conlst.tokens import pad
from conlst.train import Term, Tools, optimise

HOW = Optimisation(epochs=1, learning_rate=2e-5, warmup=0.0)


def library_steps(
    model: Classifier,
    source: Source,
    batches: list[Tensor],
    tools: Callable[[], Tools],
    how: Optimisation = HOW,
    losses: list[float] | None = None,
) -> Callable[[], float]:
    """An arm: seconds of a step of `optimise` on source rows, the first step not counted.

    In the first step AdamW makes its moments. The losses are appended to `losses`.
    """

    def terms(rows: Tensor, progress: float) -> list[Term]:
        x = labelled(model, source, rows)
        assert x.target is not None
        loss_B = cross_entropy(x.logits, x.target, reduction="none")
        if losses is not None:
            losses.append(float(loss_B.detach().mean()))
        return [Term("source", loss_B)]

    def arm() -> float:
        at: list[float] = []

        def told(step: int) -> None:
            if step in (1, len(batches)):  # a GPU is not waited for in between
                at.append(now())

        optimise(model, [batches], terms, how, tools(), "", told)
        return (at[-1] - at[0]) / max(len(batches) - 1, 1)

    return arm


def plain_steps(place: Path, source: Source, batches: list[Tensor]) -> Callable[[], float]:
    """An arm: the loop that one writes with transformers, padded, autocast, fused AdamW."""
    network = AutoModelForSequenceClassification.from_pretrained(place).train().to(DEVICE)
    tokenizer = AutoTokenizer.from_pretrained(place)
    adamw = torch.optim.AdamW(network.parameters(), lr=2e-5, fused=True)

    def arm() -> float:
        at = []
        torch.manual_seed(0)
        for number, rows in enumerate(batches):
            batch = pad(source.tokens, rows, tokenizer)
            with torch.autocast(DEVICE.type, torch.bfloat16):
                out = network(**padded(batch))
            cross_entropy(out.logits.float(), source.label[rows].to(DEVICE)).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            adamw.step()
            adamw.zero_grad()
            if number in (0, len(batches) - 1):
                at.append(now())
        return (at[-1] - at[0]) / max(len(batches) - 1, 1)

    return arm
