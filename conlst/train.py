"""The one optimisation loop that all stages use."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor
from transformers import get_linear_schedule_with_warmup

from conlst.errors import BadInput
from conlst.model import Classifier
from conlst.progress import Progress
from conlst.recipe import Optimisation


@dataclass(frozen=True)
class Tools:
    """What every stage is handed beside its own section: device and precision, chance, a voice."""

    accelerator: Accelerator
    generator: torch.Generator
    progress: Progress
    name: str = ""
    """What trackers file the stage under."""
    first_step: int = 0
    """Steps that were tracked before it."""


@dataclass(frozen=True)
class Term:
    """One summand of a stage's loss: `scale * mean_b(weight_b * loss_b)`."""

    name: str
    loss_B: Tensor
    scale: float = 1.0
    weight_B: Tensor | None = None

    def mean(self) -> Tensor:
        weighted = self.loss_B if self.weight_B is None else self.weight_B * self.loss_B
        return weighted.mean()


def accelerator(
    precision: str, folder: Path | None = None, trackers: Sequence[str] = ()
) -> Accelerator:
    """Device and precision of a run: bf16 under `auto` only where the hardware computes in it."""
    for name in trackers:
        if find_spec(name) is None:
            raise BadInput(f"trackers: {name!r} is not installed; pip install {name}")
    bf16 = precision == "bf16" or (precision == "auto" and _has_bf16())
    AcceleratorState._reset_state()  # a process may run several recipes of several precisions
    return Accelerator(
        mixed_precision="bf16" if bf16 else "no",
        log_with=list(trackers) or None,
        project_dir=folder,
    )


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def generator_for(seed: int, *names: object) -> torch.Generator:
    """A generator of its own for every stage, and the global one (dropout) set beside it.

    A stage's chance depends on the seed and the stage's name alone, so a run that is taken up again
    draws what the undisturbed run would have drawn.
    """
    text = "/".join(str(part) for part in (seed, *names))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    torch.manual_seed(number)
    return torch.Generator().manual_seed(number)


def optimise(
    model: Classifier,
    epochs: Sequence[Sequence[Tensor]],
    terms_of: Callable[[Tensor, float], list[Term]],
    how: Optimisation,
    tools: Tools,
    what: str,
    after_step: Callable[[int], None] = lambda step: None,
) -> dict[str, float]:
    """Minimise the sum of a stage's terms over its batches.

    Args:
        model: trained in place; left in evaluation mode.
        epochs: the batches of each epoch, as the stage numbers its rows.
        terms_of: the terms of the loss on a batch; it is also told the share of the work done.
        how: epochs, rates, optimiser, clipping, accumulation.
        tools: device, chance, progress.
        what: the name of the work on the progress bar.
        after_step: called with the number of batches done, from 1.

    Returns:
        The mean of each term over the run.

    Raises:
        BadInput: a term became infinite or NaN; the step and the term are named.
    """
    batches = [batch for epoch in epochs for batch in epoch]
    steps = math.ceil(len(batches) / how.accumulate)
    optimizer = tools.accelerator.prepare(_optimizer(model, how))
    schedule = get_linear_schedule_with_warmup(optimizer, round(steps * how.warmup), steps)
    sums: dict[str, Tensor] = {}
    with tools.progress.task(what, len(batches)) as advance:
        for number, batch in enumerate(batches, start=1):
            model.train()
            terms = terms_of(batch, (number - 1) / len(batches))
            means = {term.name: term.mean() for term in terms}
            total = torch.stack([term.scale * means[term.name] for term in terms]).sum()
            # The last group may hold fewer batches: each group's gradient is its own mean.
            group = min(
                how.accumulate, len(batches) - (number - 1) // how.accumulate * how.accumulate
            )
            tools.accelerator.backward(total / group)
            if number % how.accumulate == 0 or number == len(batches):
                tools.accelerator.clip_grad_norm_(model.parameters(), how.clip)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            for name, mean in means.items():
                sums[name] = sums.get(name, 0.0) + mean.detach()
            if number % 50 == 0 or number == len(batches):
                _refuse_nan(sums, what, number)
            if tools.accelerator.trackers and number % 10 == 0:
                told = {f"{tools.name}/{name}": float(mean) for name, mean in means.items()}
                tools.accelerator.log(told, step=tools.first_step + number)
            advance(1)
            after_step(number)
    model.eval()
    tools.accelerator.free_memory()  # it would keep every stage's optimiser, moments and all
    return {name: float(value) / max(len(batches), 1) for name, value in sums.items()}


def _refuse_nan(sums: dict[str, Tensor], what: str, step: int) -> None:
    for name, value in sums.items():
        if not torch.isfinite(value):
            raise BadInput(
                f"{what}: the loss {name!r} is {float(value)} at step {step}; "
                "a smaller learning_rate is the first thing to try"
            )


def _optimizer(model: Classifier, how: Optimisation) -> torch.optim.Optimizer:
    """AdamW or Adam, fused; no decay on biases and norms; the last layer may have its own rate."""
    last = set(model.output.parameters())
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        rate = how.classifier_learning_rate if parameter in last else None
        decay = how.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((rate or how.learning_rate, decay), []).append(parameter)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[how.optimizer]
    settings = [{"params": p, "lr": lr, "weight_decay": wd} for (lr, wd), p in groups.items()]
    optimizer: torch.optim.Optimizer = kind(settings, fused=True)
    return optimizer
