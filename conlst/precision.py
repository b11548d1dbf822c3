"""The arithmetic of a forward pass: bf16 where it is faster and does no harm.

Training keeps float32 weights and computes under autocast. A pass without gradient has no use for
that: the weights of the layers are turned to bf16 once, not at every call, while embeddings and
heads stay in float32, so that logits are not rounded to eight bits.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from conlst.inside import layers_of

Precision = Callable[[], AbstractContextManager[object]]


def multiplies_in_bf16(device: torch.device) -> bool:
    """Whether an autocast to bf16 is at work on a device, here and now."""
    on = torch.is_autocast_enabled(device.type)
    return on and torch.get_autocast_dtype(device.type) == torch.bfloat16


def good_kernels(device: torch.device) -> AbstractContextManager[object]:
    """Entered around a forward pass, inside its autocast: steers torch past one slow kernel.

    The backward pass of torch's flash attention in bf16 on a CPU can cost as much as all the rest
    of a step, so wherever gradients are taken there, attention is computed in its plain form.
    """
    slow = device.type == "cpu" and torch.is_grad_enabled() and multiplies_in_bf16(device)
    return sdpa_kernel(SDPBackend.MATH) if slow else nullcontext()


@contextmanager
def layers_in_bf16(network: PreTrainedModel) -> Iterator[None]:
    """Inside, the layers of an encoder compute in bf16, and all before and behind in float32.

    The network's own weights are put aside untouched, so optimisers, and graphs that wait for their
    backward pass, do not notice.
    """
    blocks = layers_of(network)
    kept = [
        (module, name, parameter)
        for block in blocks
        for module in block.modules()
        for name, parameter in module._parameters.items()
        if parameter is not None and parameter.dtype == torch.float32
    ]

    def enter(module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if args:
            return (args[0].bfloat16(), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": kwargs["hidden_states"].bfloat16()}

    def leave(module: nn.Module, args: object, states: Tensor) -> Tensor:
        return states.float()

    with ExitStack() as hooks:
        for module, name, parameter in kept:
            short = nn.Parameter(parameter.detach().bfloat16(), requires_grad=False)
            module._parameters[name] = short
            hooks.callback(module._parameters.__setitem__, name, parameter)
        hooks.callback(blocks[0].register_forward_pre_hook(enter, with_kwargs=True).remove)
        hooks.callback(blocks[-1].register_forward_hook(leave).remove)
        yield
