"""`conlst run` in a process of its own, which began with everything imported."""

import errno
import itertools
import math
import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from transformers import BertForSequenceClassification, BertTokenizerFast  # noqa: F401

from conlst import folder, runner, snapshot  # noqa: F401
from conlst.cli import main
from conlst.report import figures  # noqa: F401

HERE = multiprocessing.get_context("forkserver")
HERE.set_forkserver_preload([__name__])


ERRORS = ("ENOSPC", "EROFS", "EIO")
"""A full disk, a read-only one, a broken one."""


def begun(
    recipe: Path,
    out: Path,
    said: Path,
    disk: tuple[str, int] | None = None,
    around: Mapping[str, object] | None = None,
) -> BaseProcess:
    """The command at work; what it says goes to a file.

    Args:
        recipe: a file.
        out: the run folder.
        said: where its words go.
        disk: which error the disk gives, and from which write on.
        around: variables of its environment.
    """
    told = (str(recipe), str(out), str(said), disk, around or {})
    process = HERE.Process(target=_run, args=told, daemon=True)
    process.start()
    return process


def _run(
    recipe: str,
    out: str,
    said: str,
    disk: tuple[str, int] | None,
    around: Mapping[str, object],
) -> None:
    os.environ.update({name: str(value) for name, value in around.items()})
    snapshot.EVERY, snapshot.SHARE = 0.0, math.inf  # after every step
    torch.set_num_threads(1)
    if disk:
        _give_up(*disk)
    with open(said, "a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.exit(main(["run", recipe, "--out", out], prog_name="conlst"))


def _give_up(error: str, at: int) -> None:
    """Let writes fail when they are to be flushed to the disk, from one on."""
    flush, count = folder._flush, itertools.count(1)

    def failing(path: Path) -> None:
        if next(count) >= at:
            number = getattr(errno, error)
            raise OSError(number, os.strerror(number))
        flush(path)

    folder._flush = failing
