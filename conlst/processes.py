"""Several processes, one run: they meet, so that what one of them comes to, all know.

Each runs the same program from the same seed and so decides the same; what is costly is encoded in
shares (see `sharing`). The first process alone writes and speaks. A process that fails says so
where the others next meet, whatever they meet for: all end with its message, and none waits for one
that is gone. Alone, a process meets nobody, and none of this costs anything.
"""

import atexit
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

from conlst.errors import BadInput
from conlst.progress import Progress

Made = TypeVar("Made")
PATIENCE = timedelta(days=7)
"""For one another: the first may have millions of texts to translate."""
LONGEST = 4096
"""Bytes of a message."""
OTHERS = {"DEEPSPEED": "DeepSpeed", "MEGATRON_LM": "Megatron-LM", "PARALLELISM_CONFIG": "n-d"}
"""Ways of accelerate to cut a model in pieces, by the variables that ask for them."""
_meeting: Any = None
"""The group in which they meet, on the CPU whatever they compute on; None: there is one process."""


class Elsewhere(BadInput):
    """Another process failed, with this message; or the first, and all others know."""


def launched() -> int:
    """How many processes were started for this run, by what a launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def speaks() -> bool:
    """Whether this is the process that people hear."""
    return int(os.environ.get("RANK", "0")) == 0


def many() -> int:
    """How many share the work now."""
    return 1 if _meeting is None else int(_meeting.size())


def number() -> int:
    """Which of them this is, from 0."""
    return 0 if _meeting is None else int(_meeting.rank())


@contextmanager
def together(progress: Progress) -> Iterator[None]:
    """Entered around a run: begin to meet, and tell the others if it fails here.

    Raises:
        BadInput: the launcher was asked for what a run cannot do.
    """
    _begin(progress)
    try:
        yield
    except Elsewhere:
        raise
    except Exception as error:
        tell(str(error) if isinstance(error, BadInput) else f"{type(error).__name__}: {error}")
        raise


def _begin(progress: Progress) -> None:
    global _meeting
    if launched() == 1:
        if {"ACCELERATE_MIXED_PRECISION", "MASTER_PORT"} <= set(os.environ):
            progress.warn(
                "accelerate was asked for several processes and started one, as it does where it "
                "finds no GPU; accelerate launch --multi_gpu starts them, on CPUs too"
            )
        return
    _accept_configuration(progress)
    if _meeting is not None:
        return
    import torch
    from accelerate import PartialState

    here, devices = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if 0 < devices < here:
        raise BadInput(
            f"accelerate: found {here} processes a machine; allowed: {devices}, its GPUs"
        )
    PartialState(cpu=not devices)
    _meeting = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)
    atexit.register(_leave)


def _accept_configuration(progress: Progress) -> None:
    """FSDP is left aside, since it cannot cut a model that several losses reach into."""
    for variable, name in OTHERS.items():
        if _asked(f"ACCELERATE_USE_{variable}"):
            raise BadInput(
                f"accelerate: found a configuration for {name}, which cuts a model in pieces; "
                "allowed: several processes that each hold it whole (--multi_gpu)"
            )
    if _asked("ACCELERATE_USE_FSDP"):
        del os.environ["ACCELERATE_USE_FSDP"]  # accelerate would ask for a model to cut
        progress.warn(
            "accelerate: FSDP is configured, and its processes are used; but the model is not cut "
            "in pieces: each process holds all of it, with its gradients and moments"
        )


def _asked(variable: str) -> bool:
    return os.environ.get(variable, "false").lower() in ("1", "true", "yes")


def meet(*values: int) -> list[tuple[int, ...]]:
    """Wait for all; what each of them brings, in their order. All bring as many.

    Raises:
        Elsewhere: one of them has failed instead.

    Examples:
        >>> meet(3, 4)
        [(3, 4)]
    """
    return [values] if _meeting is None else _exchanged("", values)


def tell(failure: str) -> None:
    """Say to the others, where they next meet, that this process failed."""
    if _meeting is not None:
        with suppress(Elsewhere):
            _exchanged(failure or "it failed", ())


def _exchanged(failure: str, values: tuple[int, ...]) -> list[tuple[int, ...]]:
    import torch

    own = torch.tensor([bool(failure), *values, 0, 0])[:3]
    try:
        brought = _gathered(own)
        if not any(row[0] for row in brought):
            return [tuple(row[1 : 1 + len(values)]) for row in brought]
        said = failure.encode()[:LONGEST].ljust(LONGEST, b"\0")
        messages = [bytes(row) for row in _gathered(torch.tensor(list(said), dtype=torch.uint8))]
    except RuntimeError as error:
        raise Elsewhere(
            "another process of this run has ended without a word; it may have been killed, by "
            f"somebody or for want of memory ({str(error).strip().partition(chr(10))[0][-200:]})"
        ) from None
    failed = [text.rstrip(b"\0").decode(errors="ignore") for text in messages]
    raise Elsewhere(next(text for text in failed if text))


def _gathered(own: Any) -> list[list[int]]:
    import torch

    rows = [torch.empty_like(own) for _ in range(_meeting.size())]
    torch.distributed.all_gather(rows, own, group=_meeting)
    return [row.tolist() for row in rows]


def agree(value: Callable[[], str], otherwise: str) -> None:
    """Make sure that all stand at the same place.

    Args:
        value: names the place; it is not asked for where there is one process.
        otherwise: what to say when they do not.

    Raises:
        BadInput: they do not.
    """
    if _meeting is None:
        return
    digest = hashlib.sha256(value().encode()).digest()[:8]
    if len(set(meet(int.from_bytes(digest, "big") >> 1))) > 1:
        raise Elsewhere(otherwise)


def by_first(work: Callable[[], object]) -> None:
    """Have the first process do it, alone; the others wait until it is done.

    Raises:
        BadInput: it could not be done; all raise it.
    """
    if _meeting is None:
        work()
        return
    if number() == 0:
        try:
            _alone(work)
        except BadInput as error:
            tell(str(error))
            raise Elsewhere(str(error)) from error
    meet()


def _alone(work: Callable[[], Made]) -> Made:
    """Do something that nobody else is to meet for."""
    global _meeting
    group, _meeting = _meeting, None
    try:
        return work()
    finally:
        _meeting = group


def after_first(work: Callable[[], Made]) -> Made:
    """Have all do it, the first before the others: what it leaves in a cache they find there."""
    first = number() == 0
    if not first:
        meet()
    made = _alone(work)
    if first:
        meet()
    return made


def outlast() -> None:
    """Wait until the first process has had its say: launchers end all when one ends."""
    if _meeting is None:
        time.sleep(2 if launched() > 1 else 0)
        return
    import torch

    with suppress(RuntimeError):  # which says that it is gone
        torch.distributed.barrier(_meeting)


def _leave() -> None:
    """Let go of one another: a thread that still listened would have the process end in abort."""
    global _meeting
    if _meeting is not None:
        import torch

        _meeting = None
        torch.distributed.destroy_process_group()
