"""What a figure was measured on: the machine, its matrix rate, the versions."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.bed import DEVICE, ON_GPU
from benchmarks.speed.rounds import now
from conlst import __version__

NAMES = ("torch", "transformers", "sentence-transformers", "accelerate", "numpy")
M, WIDTHS = 2048, ((384, 1536), (768, 3072))
"""The matrices whose product is the ceiling: M tokens through a layer of an encoder."""


def machine() -> dict[str, Any]:
    """CPU, cores, threads, torch's build, and the GPU if there is one."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "torch_build": torch.__config__.show().split("\n")[1].strip(" -"),
        "simd": torch.backends.cpu.get_cpu_capability(),
        **({"gpu": torch.cuda.get_device_name(0)} if ON_GPU else {}),
    }


def _cpu() -> str:
    """The model's name, with family and model number: some hide behind a plain name."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    facts = dict(
        [part.strip() for part in line.split(":", 1)]
        for line in cpuinfo.read_text().split("\n\n")[0].splitlines()
        if ":" in line
    )
    return "{model name} (family {cpu family}, model {model})".format(**facts)


def versions() -> dict[str, str]:
    told = {name: version(name) for name in NAMES}
    return {"conlst": __version__} | told | {"python": platform.python_version()}


@torch.inference_mode()
def gemm_rate(
    dtype: torch.dtype, widths: tuple[int, int] = WIDTHS[0], seconds: float = 0.3
) -> float:
    """Floating-point operations a second of a matrix product in this dtype."""
    K, N = widths
    rows, each = (16 * M, 50) if ON_GPU else (M, 1)  # a GPU is handed many before it is waited for
    x, w = torch.randn(rows, K).to(DEVICE, dtype), torch.nn.Linear(K, N).to(DEVICE, dtype)
    w(x)
    times, start = 0, now()
    while (spent := now() - start) < seconds:
        for _ in range(each):
            w(x)
        times += each
    return 2 * rows * K * N * times / spent


def rates() -> dict[str, float]:
    """GF/s by dtype, of the products of a base encoder."""
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    return {name: round(gemm_rate(kind, WIDTHS[1]) / 1e9, 1) for name, kind in kinds.items()}


def facts() -> dict[str, Any]:
    """All that a result file says of where its figures are from."""
    torch.set_num_threads(1)
    host = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    return {
        "host": "-".join(host.lower().split()),
        "machine": machine() | {"gemm_gflops": rates()},
        "versions": versions(),
    }
