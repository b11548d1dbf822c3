"""What is said on a terminal and into a pipe, and that data cannot speak to the terminal."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from conlst.progress import Progress, TerminalProgress, inert


def spoken(*, terminal, width=100):
    """A `TerminalProgress` and the stream it speaks on."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=width, highlight=False)
    return TerminalProgress(console), stream


def test_the_quiet_one_says_nothing(capsys):
    progress = Progress()
    progress.say("a")
    progress.warn("b")
    with progress.task("c", 3) as advance:
        advance()
        advance(2)
    assert capsys.readouterr() == ("", "")


def test_a_bar_shows_what_how_far_and_the_time_left():
    progress, stream = spoken(terminal=True)
    with progress.task("training", 40) as advance:
        advance(10)
        bars = progress._bars
        bars.refresh()
    shown = stream.getvalue()
    for part in ("training", "25%", "10/40", "left", "0:00:0"):
        assert part in shown


def test_tasks_are_nested_and_go_when_they_end():
    progress, stream = spoken(terminal=True)
    with progress.task("outer", 2) as outer:
        with progress.task("inner", 5) as inner:
            inner(5)
            assert [task.description for task in progress._bars.tasks] == ["outer", "inner"]
        outer()
        assert [task.description for task in progress._bars.tasks] == ["outer"]
    assert progress._bars is None
    assert "inner" in stream.getvalue()


def test_messages_go_above_the_bars():
    progress, stream = spoken(terminal=True)
    with progress.task("outer", 2):
        progress.say("12 rows read")
        progress.warn("no confident row")
    assert "12 rows read" in stream.getvalue()
    assert "\x1b[33mwarning: no confident row" in stream.getvalue()


def test_the_display_ends_when_the_work_fails():
    progress, _ = spoken(terminal=True)
    with pytest.raises(KeyboardInterrupt), progress.task("outer", 2), progress.task("inner", 2):
        raise KeyboardInterrupt
    assert progress._bars is None
    with progress.task("again", 1) as advance:
        advance()


def test_a_pipe_gets_warnings_only():
    progress, stream = spoken(terminal=False, width=20)
    progress.say("reading")
    with progress.task("training", 2) as advance:
        advance()
        progress.warn("the pool has\nno row of class [bold]x[/bold] " + "y" * 100)
    assert stream.getvalue() == (
        "warning: the pool has no row of class [bold]x[/bold] " + "y" * 100 + "\n"
    )


@pytest.mark.parametrize("text", ["[red]x[/red]", "[/]", "[link=http://x]y", ":smile:", "a [b] c"])
def test_markup_in_data_is_text(text):
    progress, stream = spoken(terminal=True)
    progress.say(text)
    with progress.task(text, 1):
        progress._bars.refresh()
    progress.warn(text)
    assert stream.getvalue().count(text) >= 3


def test_terminal_commands_in_data_are_made_visible():
    progress, stream = spoken(terminal=True)
    evil = "\x1b]0;title\x07\x1b[2J\u202egnp.exe\r\x9b31m"
    progress.say(evil)
    progress.warn(evil)
    with progress.task(evil, 1):
        progress._bars.refresh()
    for raw in ("\x1b]0", "\x1b[2J\\u202e", "\u202e", "\x07", "\x9b"):
        assert raw not in stream.getvalue()
    assert r"\x1b]0;title\x07\x1b[2J\u202egnp.exe\r\x9b31m" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("می‌خواهم क्‍ष 😀", "می‌خواهم क्‍ष 😀"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("\u2028\u2066\ufeff", r"\u2028\u2066\ufeff"),
        ("half \ud83d", r"half \ud83d"),
    ],
)
def test_inert(text, shown):
    assert inert(text) == shown


def test_it_speaks_on_stderr(capsys):
    TerminalProgress().warn("careful")
    out, err = capsys.readouterr()
    assert out == ""
    assert "warning: careful" in err


def test_the_module_itself_loads_nothing_heavy():
    code = "import sys, conlst.progress; print([m for m in ('rich', 'torch') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
