"""When memory runs out: batches in parts of half the rows, and half again, until they fit.

The gradient of a mean over B rows is that of its parts, each by its share of the rows:

    grad mean_B(l) = sum_p (B_p / B) * grad mean_{B_p}(l)

So a step stays the step it was wherever a loss is one value a row that no other row enters into.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from conlst import processes
from conlst.errors import BadInput, ConlstWarning

Made = TypeVar("Made")


def out_of_memory(error: Exception) -> bool:
    """Whether that is what an error says: torch has a type of its own for it on some devices only.

    Examples:
        >>> out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."))
        True
    """
    said = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "DefaultCPUAllocator" in said
        or "out of memory" in said
    )


class Parts:
    """The parts of a stage's batches: whole at first, smaller once memory has run out.

    Chance (dropout, complementary labels, negatives, views, which rows are mixed) is drawn anew for
    each part and for what is tried again; a term that draws rows of its own, such as source rows
    beside anchors, draws a whole batch of them for each part. What is learnt is the same in
    expectation, but no longer bit for bit that of a machine with more memory.

    Args:
        what: the name of the work.
        comparing: losses in which the rows of a batch are compared, and which halving changes.
    """

    def __init__(self, what: str, comparing: Sequence[str] = ()) -> None:
        self.what, self.comparing = what, comparing
        self.rows: int | None = None
        """Most rows of a part; None: batches are whole."""

    def state_dict(self) -> dict[str, int | None]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, int | None]) -> None:
        self.rows = state["rows"]

    def of(self, batch: Tensor) -> tuple[Tensor, ...]:
        """The parts of a batch, in order."""
        return (batch,) if self.rows is None else batch.split(self.rows)

    def fitting(self, attempt: Callable[[], Made], undo: Callable[[], None], largest: int) -> Made:
        """Try until memory suffices, with smaller parts each time.

        Args:
            attempt: the work; it cuts its batches by `of`.
            undo: what to do before it is tried again.
            largest: rows of its largest batch.

        Raises:
            BadInput: there is too little memory for a single row.
        """
        while (made := _tried(attempt)) is None:
            undo()
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()
            self._halve(largest)
        return made[0]

    def _halve(self, largest: int) -> None:
        tried = min(largest, self.rows or largest)
        if tried == 1:
            raise BadInput(
                f"{self.what}: memory does not suffice for a single row; found model.max_length "
                "and model.name too large for this machine: make either smaller"
            )
        self.rows = -(-tried // 2)
        text = (
            f"{self.what}: memory ran out with {tried} rows at once; from here on batches go in "
            f"parts of at most {self.rows}, whose gradients are added up: a step has as many rows "
            "as before"
        )
        if self.comparing:
            text += (
                f". But {', '.join(self.comparing)} compares the rows of a batch, and now sees "
                f"{self.rows} at a time: that changes the loss"
            )
        warnings.warn(text, ConlstWarning, stacklevel=4)


def _tried(attempt: Callable[[], Made]) -> tuple[Made] | None:
    """What an attempt makes; None when memory ran out, in this process or another."""
    try:
        return (attempt(),)
    except processes.Elsewhere as error:
        if not out_of_memory(error):
            raise
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        processes.tell(str(error))
    return None  # only here is the traceback let go, and with it what the attempt had computed
