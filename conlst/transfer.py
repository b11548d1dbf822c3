"""From the CPU, where rows are chosen, to the device that computes, without waiting for it."""

import torch
from torch import Tensor


def on(device: torch.device, value: Tensor) -> Tensor:
    """The tensor on a device.

    A GPU is handed work long before it does it, and a plain copy would wait until all of it is
    done. Only memory that cannot be paged out is copied meanwhile.

    Examples:
        >>> on(torch.device("cpu"), torch.tensor([1, 2]))
        tensor([1, 2])
    """
    if device.type == "cuda" and not value.is_cuda:
        return value.pin_memory().to(device, non_blocking=True)
    return value.to(device)
