"""A request to stop that waits until the step at hand is whole."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

WAITING = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what a cluster or a shutdown sends before it kills."""


class Stopping:
    """Entered around steps: Ctrl-C and SIGTERM are noted; asked a second time, they act at once.

    Only the main thread of a process hears signals, and one that is ignored stays so.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        """Which signal came."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in WAITING:
                if signal.getsignal(number) not in (None, signal.SIG_IGN):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._restore()
        if error is None:
            self.act()

    def act(self) -> None:
        """Let the signal do what it does, if one came: most often it ends the run."""
        number, self.asked = self.asked, None
        if number is not None:
            self._restore()
            signal.raise_signal(number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        signal.signal(number, self._before[number])

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
