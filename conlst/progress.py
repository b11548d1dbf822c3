"""The voice of a run: bars with the time left, messages, warnings.

A run speaks through `Progress`, which keeps quiet; the command hands in `TerminalProgress`. What it
says may quote somebody's data, so it is printed as text, never as markup or terminal commands.
"""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars


class Advance(Protocol):
    """Tells a bar that `n` more are done."""

    def __call__(self, n: int = 1) -> None: ...


class Progress:
    """Says nothing: what the library uses when nobody hands in another.

    Examples:
        >>> progress = Progress()
        >>> progress.say("12 rows read")
        >>> with progress.task("training", 100) as advance:
        ...     advance(32)
    """

    def say(self, text: str) -> None:
        """Tell something worth knowing while one waits."""

    def warn(self, text: str) -> None:
        """Tell something that one should know even if one does not wait."""

    @contextmanager
    def task(self, what: str, total: int) -> Iterator[Advance]:
        """Count up to `total`; tasks may be nested."""
        yield _ignore


class TerminalProgress(Progress):
    """Speaks on stderr: bars and messages where it is a terminal, warnings anywhere.

    Args:
        console: where to speak, instead of stderr.
    """

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, highlight=False)
        self.told: list[str] = []
        """Warnings so far: nobody needs to read them again."""
        self._bars: Bars | None = None
        """The live display: there from the start of the outermost task to its end."""

    def say(self, text: str) -> None:
        """Print a message above the bars; nothing when piped."""
        if self._console.is_terminal:
            self._print(inert(text))

    def warn(self, text: str) -> None:
        """Print a warning in one line, piped or not."""
        self.told.append(text)
        self._print("warning: " + " ".join(inert(text).split()), style="yellow")

    @contextmanager
    def task(self, what: str, total: int) -> Iterator[Advance]:
        """Show a bar until the task ends, however it ends; nothing when piped."""
        if not self._console.is_terminal:
            yield _ignore
            return
        outermost = self._bars is None
        bars = self._bars = self._bars or self._started()
        bar = bars.add_task(" ".join(inert(what).split()), total=total)
        try:
            yield lambda n=1: bars.advance(bar, n)
        finally:
            bars.remove_task(bar)
            if outermost:
                bars.stop()
                self._bars = None

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, markup=False, emoji=False, soft_wrap=True)

    def _started(self) -> "Bars":
        from rich import progress as rich

        bars = rich.Progress(
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(bar_width=24),
            rich.TaskProgressColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
            console=self._console,
            transient=True,  # a bar is for waiting; what remains is said in messages
        )
        bars.start()
        return bars


def inert(text: str) -> str:
    r"""Show control characters (terminal commands, overrides of the reading direction) as escapes.

    Line ends and tabs stay; so do the joiners that Persian, Urdu and Hindi are written with.

    Examples:
        >>> print(inert("\x1b[2Jcafé\u202e"))
        \x1b[2Jcafé\u202e
    """
    return "".join(_escaped(char) if _commands(char) else char for char in text)


def _commands(char: str) -> bool:
    if char in "\n\t\u200c\u200d":
        return False
    # Cc: control, Cf: format (direction overrides), Cs: halves of characters, Zl and Zp: line ends.
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _ignore(n: int = 1) -> None:
    pass
