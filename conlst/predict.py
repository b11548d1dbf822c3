"""The pseudo-label pass: probabilities and features of many rows, fast."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from conlst import processes, train
from conlst.arrays import Rows, Tokens
from conlst.errors import BadInput
from conlst.losses import Loss, losses
from conlst.model import (
    READOUT_FILE,
    Classifier,
    label_names,
    load,
    longest_input,
)
from conlst.progress import Progress
from conlst.recipe import Model
from conlst.trust import refuse_unsafe


@dataclass(frozen=True, eq=False)
class Labelled:
    """What a model makes of many rows, on the CPU."""

    logits_NC: Tensor
    probs_NC: Tensor
    features_ND: Tensor


def label(model: Classifier, tokens: Tokens, progress: Progress, what: str) -> Labelled:
    """Logits, probabilities and features of all rows, in their order, without dropout."""
    model.eval()
    said = _pass(model, tokens, progress, what)
    refuse_nan(said.logits_NC, what)
    return said


def refuse_nan(values: Tensor, what: str) -> None:
    """A model whose weights are broken labels nothing.

    Raises:
        BadInput: what it says holds a NaN or an infinity.
    """
    if not bool(values.isfinite().all()):
        raise BadInput(
            f"{what}: what the model says is no number, so training broke it; a smaller "
            "learning_rate is the first thing to try"
        )


def stochastic_passes(
    model: Classifier,
    tokens: Tokens,
    passes: int,
    progress: Progress,
    what: str,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Probabilities of all rows under `passes` dropout masks each, float[P, N, C] (MC dropout)."""
    said = []
    with torch.random.fork_rng():
        for number in range(1, passes + 1):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            model.train()
            out = _pass(model, tokens, progress, f"{what}, dropout mask {number} of {passes}")
            said.append(out.probs_NC)
    model.eval()
    return torch.stack(said)


@torch.inference_mode()
def _pass(model: Classifier, tokens: Tokens, progress: Progress, what: str) -> Labelled:
    """One pass over all rows, in the mode the model is in.

    Rows are sorted by length and encoded some tokens at a time: on a CPU few enough to stay near
    the processor, on a GPU enough to fill it; several processes share a batch. Without dropout a
    row's result does not depend on its neighbours.
    """
    budget = processes.many() * (2048 if model.device.type == "cpu" else 65536)
    N, C, D = len(tokens), len(model.classes), model.output.in_features
    logits_NC, probs_NC, features_ND = torch.empty(N, C), torch.empty(N, C), torch.empty(N, D)
    with progress.task(what, N) as advance, model.for_many_rows():
        for rows in model.batches(tokens.lengths, budget):
            out = model.encode(tokens, rows, budget=2 * budget)  # all at once
            logits_NC[rows], features_ND[rows] = out.logits.cpu(), out.features.cpu()
            probs_NC[rows] = model.probabilities(out.logits, out.features).cpu()
            advance(len(rows))
    return Labelled(logits_NC, probs_NC, features_ND)


def classify(
    folder: Path, rows: Rows, progress: Progress, *, trust_remote_code: bool = False
) -> tuple[list[str], Tensor]:
    """Class names and probabilities float[N, C] of texts, by a model folder.

    Args:
        folder: of the model.
        rows: to classify.
        progress: where a bar goes.
        trust_remote_code: run code that the folder brings or names.

    Raises:
        BadInput: the folder holds no fine-tuned classifier, or is not safe to read.
    """
    name, trusted = str(folder.resolve()), trust_remote_code
    refuse_unsafe(name, trusted=trusted)
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=trusted)
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=trusted)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().partition("\n")[0]
        raise BadInput(f"model {name!r} cannot be loaded: {first}") from error
    classes = list(label_names(config))
    if len(classes) < 2:
        raise BadInput(f"{folder}: a classifier has two or more classes; found {classes}")
    longest = longest_input(config, tokenizer)
    section = Model(name=name, max_length=min(longest, 8192), trust_remote_code=trusted)
    accelerator = train.accelerator(section.precision)
    model = load(section, classes, fine_tuned=True, autocast=accelerator.autocast)
    model = model.to(accelerator.device)
    if (folder / READOUT_FILE).is_file():
        model.readout = _readout(folder / READOUT_FILE, trusted)
        model.take_parts(folder, remembered=False)
    return classes, label(model, model.tokenise(rows), progress, "predicting").probs_NC


def _readout(file: Path, trusted: bool) -> Loss:
    """The loss that a model's probabilities are read by; `module:Class` is code by another name."""
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        paths = [name for name in _types(held) if ":" in name]
        if not paths or trusted:
            return losses.validate(held)
    except (ValueError, OSError, RecursionError) as error:
        first = str(error).strip().partition("\n")[0]
        raise BadInput(f"{file}: not the readout of a conlst model: {first}") from error
    raise BadInput(
        f"{file}: found the code {paths[0]!r}, which would be imported; allowed: registered "
        "losses, unless --trust-remote-code is given"
    )


def _types(held: Any) -> Iterator[str]:
    """Every name of a strategy, however deep."""
    for item in held.values() if isinstance(held, dict) else held if isinstance(held, list) else ():
        yield from _types(item)
    if isinstance(held, dict) and "type" in held:
        yield str(held["type"])
