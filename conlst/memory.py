"""How much memory a run has held, at most, so far."""

import sys

import torch


def peak_memory(device: torch.device) -> int | None:
    """Bytes: of a GPU the most that tensors took of it, else the most that the process held.

    It never falls, so that the figure of a stage includes those before it in the same process. None
    where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
