"""How much memory a run has held, at most, so far."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def peak_memory(device: "torch.device") -> int | None:
    """Bytes: of a GPU the most that tensors took of it, else the most that the process held.

    It never falls, so that the figure of a stage includes those before it in the same process. None
    where the system does not tell.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    return most_resident()


def most_resident() -> int | None:
    """Bytes: the largest resident size of this process so far; None where the system is silent.

    Linux keeps it by process image; `ru_maxrss` would begin with the parent's at the fork.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
