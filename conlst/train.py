"""The one optimisation loop that all stages use."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor
from transformers import get_linear_schedule_with_warmup

from conlst import processes
from conlst.errors import BadInput
from conlst.halving import Parts
from conlst.losses import Loss
from conlst.model import Classifier
from conlst.progress import Progress
from conlst.recipe import Optimisation
from conlst.sharing import average
from conlst.snapshot import Snapshot
from conlst.standing import Chance, Moments, Weights
from conlst.stopping import Stopping
from conlst.vocabulary import Absent, compacted


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
    occurring_V: Callable[[], Tensor | None] = lambda: None
    """bool[V]: the token ids that can occur in it; None: it cannot be said. Asked when it begins to
    train, since only then is known what its augmenter has prepared."""
    snapshot: Snapshot = field(default_factory=Snapshot)
    """Where it is put aside while it trains; it tells it what else has a state."""


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
        cpu=processes.launched() > 1 and not torch.cuda.is_available(),
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

    When memory runs out, batches go in parts (see `halving`). Embedding rows that cannot occur are
    left out of the work (see `vocabulary`). Every few minutes, and when the run is stopped, it is
    put aside between two steps; one that was put aside goes on from there (see `snapshot`).

    Args:
        model: trained in place; left in evaluation mode.
        epochs: the batches of each epoch, as the stage numbers its rows.
        terms_of: the terms of the loss on a batch; it is also told the share of the work done.
        how: epochs, rates, optimiser, clipping, accumulation.
        tools: device, chance, progress.
        what: the name of the work on the progress bar.
        after_step: called with the number of each batch done, from 1, after the optimiser's step.

    Returns:
        The mean of each term over the run.

    Raises:
        BadInput: a term became infinite or NaN; the step and the term are named.
    """
    with compacted(model.network, tools.occurring_V, how) as absent:
        loop = _Loop(model, [b for epoch in epochs for b in epoch], terms_of, how, tools, what)
        means = loop.run(after_step, absent)
        tools.snapshot.let_go()
        del loop  # the moments, before the whole embedding comes back
        tools.accelerator.free_memory()  # it would keep every stage's optimiser, moments and all
    model.eval()
    return means


class _Loop:
    """Steps over batches, `how.accumulate` of which make one."""

    def __init__(
        self,
        model: Classifier,
        batches: list[Tensor],
        terms_of: Callable[[Tensor, float], list[Term]],
        how: Optimisation,
        tools: Tools,
        what: str,
    ) -> None:
        self.model, self.batches, self.terms_of = model, batches, terms_of
        self.how, self.tools, self.what = how, tools, what
        self.steps = -(-len(batches) // how.accumulate)
        self.optimizer = tools.accelerator.prepare(_optimizer(model, how))
        self.parameters = list(model.parameters())
        """Listed once: walking through the modules takes as long as some launches."""
        self.schedule = self._schedule()
        self.parts = Parts(what, _comparing(how))
        self.sums: dict[str, Tensor] = {}
        self.done = 0
        """Batches."""

    def _schedule(self, done: int = 0) -> Any:
        """The rates, as they are after some steps."""
        warmup = round(self.steps * self.how.warmup)
        return get_linear_schedule_with_warmup(self.optimizer, warmup, self.steps, done - 1)

    def run(self, after_step: Callable[[int], None], absent: Absent | None) -> dict[str, float]:
        """All steps that are left; returns the mean of each term."""
        many, snapshot, of = len(self.batches), self.tools.snapshot, self._beginnings()
        self._put_into(snapshot, absent)
        snapshot.take_up(self.what, of)
        processes.agree(
            lambda: f"{of} {self.done}",
            f"{self.what}: the processes would not begin alike; data, versions and run folder must "
            "be the same for all",
        )
        with self.tools.progress.task(self.what, many) as advance, Stopping() as stopping:
            advance(self.done)
            while self.done < many:
                means = self._step(self.done)
                if absent:
                    absent.decay(self.optimizer)
                self.schedule.step()
                for told in means:
                    self.done += 1
                    self._tell(self.done, told)
                    advance(1)
                    after_step(self.done)
                self._pause(of, stopping)
        return {name: float(value) / max(many, 1) for name, value in self.sums.items()}

    def _pause(self, of: str, stopping: Stopping) -> None:
        """Put everything aside when it is time; stop, if any of the processes was asked to."""
        snapshot = self.tools.snapshot
        said = processes.meet(stopping.asked or 0, snapshot.due)
        stop, due = max(asked for asked, _ in said), said[0][1]
        if stop or due:
            snapshot.take(of, self.done, len(self.batches))
        if stop:
            stopping.asked = stop
            stopping.act()

    def _put_into(self, snapshot: Snapshot, absent: Absent | None) -> None:
        snapshot.keep(
            weights=Weights(self.model),
            moments=Moments(self.model, self.optimizer),
            chance=Chance(self.tools.generator, self.model.device),
            parts=self.parts,
            loop=self,
            **({"absent": absent} if absent else {}),
        )

    def _beginnings(self) -> str:
        """A digest of what is trained on what: only its like can be gone on with."""
        digest = hashlib.sha256(version("conlst").encode())
        for name, parameter in self.model.network.named_parameters():
            digest.update(f"{name} {tuple(parameter.shape)}".encode())
        for batch in self.batches:
            digest.update(batch.numpy().data)
        return digest.hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """How far it is. What is no number is not worth keeping."""
        _refuse_nan(self.sums, self.what, self.done)
        return {"done": self.done, **self.sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Also set the rates, which follow from the steps."""
        sums = dict(state)
        self.done = sums.pop("done")
        self.sums = {name: value.to(self.model.device) for name, value in sums.items()}
        self.schedule = self._schedule(-(-self.done // self.how.accumulate))

    def _step(self, start: int) -> list[dict[str, Tensor]]:
        """One step of the optimiser, and the terms of its batches."""
        # The last group may hold fewer batches: each group's gradient is its own mean.
        group = self.batches[start : start + self.how.accumulate]

        def gradients() -> list[dict[str, Tensor]]:
            return [self._gradient(batch, start + i, len(group)) for i, batch in enumerate(group)]

        # Where memory ran out half-way, some layers have their gradient already: all begins anew.
        means = self.parts.fitting(gradients, self._undo, max(map(len, group)))
        average(self.parameters)
        self.tools.accelerator.clip_grad_norm_(self.parameters, self.how.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return means

    def _undo(self) -> None:
        """Begin a step anew. Processes that ran out of memory apart cannot: chance has gone on."""
        self.optimizer.zero_grad()
        processes.agree(
            self.tools.snapshot.digest,
            f"{self.what}: memory ran out in one process when others had drawn other rows already; "
            "the same command goes on from where the stage was put aside, and a smaller batch_size "
            "needs less",
        )

    def _gradient(self, batch: Tensor, done: int, of_step: int) -> dict[str, Tensor]:
        """Add a batch's part to the gradient of its step."""
        sums: dict[str, Tensor] = {}
        for part in self.parts.of(batch):
            self.model.train()
            terms = self.terms_of(part, done / len(self.batches))
            means = {term.name: term.mean() for term in terms}
            total = torch.stack([term.scale * means[term.name] for term in terms]).sum()
            share = len(part) / len(batch)
            self.tools.accelerator.backward(share * total / of_step)
            processes.meet()  # nobody draws for the next part while another must halve this one
            for name, mean in means.items():
                sums[name] = sums.get(name, 0.0) + share * mean.detach()
        return sums

    def _tell(self, number: int, means: dict[str, Tensor]) -> None:
        """Keep the sums and look at them; tell trackers."""
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + mean
        if number % 50 == 0 or number == len(self.batches):
            _refuse_nan(self.sums, self.what, number)
        tools = self.tools
        if tools.accelerator.trackers and number % 10 == 0:
            told = {f"{tools.name}/{name}": float(mean) for name, mean in means.items()}
            tools.accelerator.log(told, step=tools.first_step + number)


def _comparing(how: Optimisation) -> list[str]:
    """Names of a stage's losses in which the rows of a batch are compared."""
    held = [getattr(how, name) for name in type(how).model_fields]
    return [part.name for part in held if isinstance(part, Loss) and part.compares_rows]


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
