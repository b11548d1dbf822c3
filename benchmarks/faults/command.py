"""`conlst run` in a process of its own, which began with everything imported."""

import math
import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from transformers import BertForSequenceClassification, BertTokenizerFast  # noqa: F401

from conlst import runner, snapshot  # noqa: F401
from conlst.cli import main
from conlst.report import figures  # noqa: F401

HERE = multiprocessing.get_context("forkserver")
HERE.set_forkserver_preload([__name__])


def begun(recipe: Path, out: Path, said: Path) -> BaseProcess:
    """The command at work; what it says goes to a file."""
    process = HERE.Process(target=_run, args=(str(recipe), str(out), str(said)), daemon=True)
    process.start()
    return process


def _run(recipe: str, out: str, said: str) -> None:
    snapshot.EVERY, snapshot.SHARE = 0.0, math.inf  # after every step
    torch.set_num_threads(1)
    with open(said, "a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.exit(main(["run", recipe, "--out", out], prog_name="conlst"))
