"""Reaching inside an encoder: states changed on their way up, embeddings and attention read off.

Hooks on the encoder's own modules, so that one piece of code serves BERT, XLM-R and DistilBERT.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from conlst.errors import BadInput

Change = Callable[[Tensor], tuple[Tensor, Tensor]]
"""States float[B, T, D] -> new states, and int64[B, T], the tokens that layers above attend to."""


@dataclass(frozen=True)
class Looks:
    """What is to be read off in a forward pass."""

    embedding: bool = False
    attention: tuple[int, ...] = ()
    """Layers, from 0."""

    def __bool__(self) -> bool:
        return self.embedding or bool(self.attention)


@dataclass(eq=False)
class Seen:
    """What was read off."""

    embedding: Tensor | None = None
    """float[B, D]: mean over each row's tokens of what the embedding layer gives."""
    attention: dict[int, Tensor] = field(default_factory=dict)
    """layer -> float[B, H, T, T], 0 at padding."""


_open: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
"""How many of `changed` and `seen` are at work inside a network."""


def reached(network: PreTrainedModel) -> bool:
    """Whether somebody changes or reads what is inside: states are then promised as [B, T, D]."""
    return _open.get(network, 0) > 0


@contextmanager
def _reaching(network: PreTrainedModel) -> Iterator[None]:
    _open[network] = _open.get(network, 0) + 1
    try:
        yield
    finally:
        _open[network] -= 1


@contextmanager
def changed(network: PreTrainedModel, layer: int, change: Change) -> Iterator[None]:
    """Let `change` replace the states that leave a layer (0: the token embeddings).

    The layers above attend to the tokens that `change` names: where two rows of different length
    are mixed, those of both. (At layer 0, XLM-R adds no position to tokens beyond a row's own end:
    it counts positions by the ids.)
    """
    blocks = layers_of(network)
    if layer > len(blocks):
        raise BadInput(
            f"states after layer {layer}: a {network.config.model_type} of {len(blocks)} layers "
            "has no such"
        )
    leaving: nn.Module = network.get_input_embeddings() if layer == 0 else blocks[layer - 1]
    attended: list[Tensor] = []

    def on_leaving(module: nn.Module, args: object, states: Any) -> Tensor:
        if not isinstance(states, Tensor):
            raise BadInput(f"the states of a {network.config.model_type} cannot be changed")
        new, attention_BT = change(states)
        attended.append(attention_BT)
        return new.to(states.dtype)

    def on_entering(module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if "attention_mask" in kwargs:
            mask = _masked_as(kwargs["attention_mask"], attended[-1])
            return args, kwargs | {"attention_mask": mask}
        return (args[0], _masked_as(args[1], attended[-1]), *args[2:]), kwargs

    with ExitStack() as hooks:
        hooks.enter_context(_reaching(network))
        hooks.callback(leaving.register_forward_hook(on_leaving).remove)
        for block in blocks[layer:]:
            handle = block.register_forward_pre_hook(on_entering, with_kwargs=True)
            hooks.callback(handle.remove)
        yield


@contextmanager
def seen(network: PreTrainedModel, looks: Looks, attention_BT: Tensor) -> Iterator[Seen]:
    """Read off what `looks` asks for in the one forward pass made inside.

    Args:
        network: the classifier; for attention it computes in its plain form inside, since the fused
            kernels never hold the probabilities.
        looks: what to read.
        attention_BT: int64[B, T], 1 at the tokens of the batch.
    """
    out, blocks = Seen(), layers_of(network) if looks else []
    usual = network.config._attn_implementation

    def on_embedding(module: nn.Module, args: object, states_BTD: Tensor) -> None:
        mask_BT1 = attention_BT[:, :, None].to(states_BTD.device, states_BTD.dtype)
        out.embedding = ((states_BTD * mask_BT1).sum(1) / mask_BT1.sum(1)).float()

    def on_attention(layer: int) -> Callable[[nn.Module, object, Any], None]:
        def hook(module: nn.Module, args: object, output: Any) -> None:
            probs_BHTT = output[1]
            queries = attention_BT[:, None, :, None].to(probs_BHTT.device, probs_BHTT.dtype)
            out.attention[layer] = (probs_BHTT * queries).float()

        return hook

    with ExitStack() as hooks:
        if looks.attention and usual != "eager":
            network.set_attn_implementation("eager")
            hooks.callback(network.set_attn_implementation, usual)
        if looks:
            hooks.enter_context(_reaching(network))
        if looks.embedding:
            hooks.callback(_embeddings_of(network).register_forward_hook(on_embedding).remove)
        for layer in looks.attention:
            if layer >= len(blocks):
                raise BadInput(
                    f"attention of layer {layer}: {network.config.model_type} has the layers "
                    f"0 to {len(blocks) - 1}"
                )
            module: Any = blocks[layer].attention
            hooks.callback(module.register_forward_hook(on_attention(layer)).remove)
        yield out


def check_layers(network: PreTrainedModel, wanted: Mapping[str, int], *, last: int) -> None:
    """Refuse layers that an encoder does not have, before anything is trained.

    Args:
        network: the encoder.
        wanted: layers by the name of the part that names them.
        last: added to the number of layers: 0 where layers are counted from 1, -1 from 0.

    Raises:
        BadInput: a part names a layer beyond the last, or the encoder's layers cannot be reached.
    """
    if not wanted:
        return
    highest = len(layers_of(network)) + last
    for name, layer in wanted.items():
        if layer > highest:
            raise BadInput(
                f"{name}: found layer {layer}; the last of this {network.config.model_type} is "
                f"{highest}"
            )


def layers_of(network: PreTrainedModel) -> list[nn.Module]:
    """The encoder's layers, from the first on."""
    wanted = network.config.num_hidden_layers
    for module in network.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return list(module)
    raise BadInput(f"no list of {wanted} layers in a {network.config.model_type}")


def _embeddings_of(network: PreTrainedModel) -> nn.Module:
    embeddings: nn.Module = getattr(
        network.base_model, "embeddings", network.get_input_embeddings()
    )
    return embeddings


def _masked_as(mask: Tensor | None, attention_BT: Tensor) -> Tensor | None:
    """`attention_BT` in the form of the mask that the encoder made; None: no padding at all."""
    if mask is None:
        return None
    allowed = attention_BT.to(mask.device).bool()
    if mask.dim() == 2:
        return allowed.to(mask.dtype)
    allowed = allowed[:, None, None, :].expand(mask.shape)
    if mask.dtype == torch.bool:
        return allowed
    return torch.zeros_like(mask).masked_fill(~allowed, torch.finfo(mask.dtype).min)
