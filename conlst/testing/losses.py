"""The contract of losses, as a check."""

import copy
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from conlst.arrays import LossInput, Sizes
from conlst.losses.base import Loss, Readout
from conlst.testing.builders import random_loss_input
from conlst.testing.tools import equal, in_case


def check_loss(loss: Loss, x: LossInput | None = None, *, independent: bool = True) -> None:
    """One finite value a row, with a gradient, from what it declares to need and nothing else.

    Args:
        loss: what is checked.
        x: an input to check it with; by default a random one with only the fields it needs.
        independent: whether row b must be the same without the other rows.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    x = _only_needed(loss, random_loss_input(layer=_layer(loss))) if x is None else x
    with in_case(loss, f"a batch of {len(x.logits)}"):
        leaves: dict[str, Any] = {
            n: value.detach().clone().requires_grad_() for n, value in _floats(x)
        }
        attention = {n: value.detach().clone().requires_grad_() for n, value in x.attention.items()}
        x = replace(x, **leaves, attention=attention)
        before = copy.deepcopy(x)
        built: Any = loss.build(_sizes(x))
        loss_B = built(x)
        assert loss_B.shape == x.logits.shape[:1], "must be float[B]: unreduced"
        assert loss_B.is_floating_point(), f"must be float, is {loss_B.dtype}"
        assert bool(loss_B.isfinite().all()), "must be finite"
        assert equal(x, before), "the input was changed"
        assert torch.equal(loss_B, built(x)), "must be a function of its input alone"
        _check_gradient(loss_B, x)
        if independent and not loss.compares_rows:
            for b in range(len(loss_B)):
                alone = built(_row(x, b))[0]
                assert torch.allclose(alone, loss_B[b], atol=1e-5), f"row {b} depends on other rows"
        if isinstance(built, Readout):
            _check_readout(built, x)


def _layer(loss: Loss) -> int:
    return next((int(part.layer) for part in loss.walk() if hasattr(part, "layer")), 0)


def _sizes(x: LossInput) -> Sizes:
    D = x.features.shape[1] if x.features is not None else 1
    return Sizes(x.logits.shape[1], D, ("en", "sw"))


def _check_readout(built: Readout, x: LossInput) -> None:
    B, C = x.logits.shape
    features = torch.zeros(B, 1) if x.features is None else x.features
    probs_BC = built.probabilities(x.logits, features)
    assert probs_BC.shape == (B, C), "probabilities must be float[B, C]"
    assert torch.allclose(probs_BC.sum(1), torch.ones(B), atol=1e-4), "probabilities must sum to 1"
    for b in range(B):
        alone = built.probabilities(x.logits[b : b + 1], features[b : b + 1])[0]
        assert torch.allclose(alone, probs_BC[b], atol=1e-5), (
            f"the probabilities of row {b} depend on other rows"
        )


def _only_needed(loss: Loss, x: LossInput) -> LossInput:
    """Drop what the loss does not declare, so that an undeclared need is an error here."""
    held = {
        "target": ["target"],
        "complement": ["complement"],
        "confident": ["confident"],
        "features": ["features"],
        "views": ["anchor", "positive"],
        "negatives": ["negatives", "negative_mask"],
        "language": ["language"],
        "clean": ["clean_logits"],
        "embeddings": ["embedding", "clean_embedding"],
    }
    needs = loss.all_needs()
    drop = [name for need, names in held.items() if need not in needs for name in names]
    without: dict[str, Any] = dict.fromkeys(drop)
    if "attentions" not in needs:
        without |= {"attention": {}, "clean_attention": {}}
    return replace(x, **without)


def _floats(x: LossInput) -> list[tuple[str, Tensor]]:
    names = ["logits", "features", "anchor", "positive", "negatives", "clean_logits"]
    names += ["embedding", "clean_embedding"]
    return [(name, getattr(x, name)) for name in names if getattr(x, name) is not None]


def _check_gradient(loss_B: Tensor, x: LossInput) -> None:
    inputs = [value for _, value in _floats(x)] + list(x.attention.values())
    gradients = torch.autograd.grad(loss_B.sum(), inputs, allow_unused=True)
    there = [gradient for gradient in gradients if gradient is not None]
    assert there, "no gradient reaches any input"
    assert all(bool(gradient.isfinite().all()) for gradient in there), "a gradient is not finite"
    assert any(bool((gradient != 0).any()) for gradient in there), "all gradients are zero"


def _row(x: LossInput, b: int) -> LossInput:
    whole = {"negatives", "attention", "clean_attention", "progress"}
    given: dict[str, Any] = {f.name: getattr(x, f.name) for f in fields(x) if f.name not in whole}
    parts: dict[str, Any] = {n: value[b : b + 1] for n, value in given.items() if value is not None}
    for name in ("attention", "clean_attention"):
        parts[name] = {layer: value[b : b + 1] for layer, value in getattr(x, name).items()}
    return replace(x, **parts)
