"""A function in a process of its own: nobody else's memory counts, nor a library it imported."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from conlst.memory import most_resident

ROOT = Path(__file__).parents[2]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}


def run(module: str, function: str, **given: Any) -> tuple[Any, int]:
    """What `module.function(**given)` returns, and the process's largest resident size in bytes.

    Arguments and answer travel as JSON. What the process prints is shown.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", __name__, module, function, json.dumps(given), str(answer)]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": path}
        subprocess.run(command, check=True, cwd=ROOT, env=environment)
        value, peak = json.loads(answer.read_text())
    return value, peak


def main() -> None:
    """Run in the child: module, function, arguments, where the answer goes."""
    module, function, given, answer = sys.argv[1:]
    value = getattr(importlib.import_module(module), function)(**json.loads(given))
    Path(answer).write_text(json.dumps([value, most_resident()]))


if __name__ == "__main__":
    main()
