"""Goal 3: the share of computed positions that is padding, by the model's own counter."""

import json
import shutil
import tempfile
from typing import Any

import torch

import conlst
from benchmarks.speed import bed
from benchmarks.speed.rounds import Line
from benchmarks.speed.setting import Setting
from conlst.predict import label
from conlst.progress import Progress

LOW = {"type": "fixed", "threshold": 0.05}
"""Padding does not ask what a model knows: an untrained one trusts enough rows with it."""


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """A labelling pass, and the report of a real run; width and depth make no difference."""
    setting = Setting.of(told)
    model = bed.classifier(bed.folder(bed.TINY), "fp32")
    tokens = model.tokenise(bed.texts(setting, setting.size(1500, 60)))
    model.take_counts()
    label(model, tokens, Progress(), "")
    real, computed = model.take_counts()
    found = {"labelling": 1 - real / computed} | _run(setting)
    padded = 1 - float(tokens.lengths.double().mean()) / bed.MAX_LENGTH
    return [_line(what, share, padded).json() for what, share in found.items()]


def _line(what: str, share: float, padded: float) -> Line:
    peer = f"all rows padded to {bed.MAX_LENGTH}: {100 * padded:.0f} %"
    ours = f"conlst: {100 * share:.1f} %"
    return Line(f"padding: {what}", peer, ours, [share], 0.02, "<=", "")


def _run(setting: Setting) -> dict[str, float]:
    """The quickstart's stages with an encoder of two thin layers: padding by the report."""
    place = bed.folder(bed.TINY)
    edits = [
        f'model.name="{place}"',
        "model.max_length=128",
        "source.epochs=1",
        f"contrastive.confident={json.dumps(LOW)}",
        f"self_training.selector={json.dumps(LOW)}",
        "self_training.epochs=1",
        "contrastive.curve=0",
    ]
    if setting.quick:
        edits.append('data.languages=["en","fr"]')
    out = tempfile.mkdtemp()
    torch.manual_seed(setting.seed)
    report = conlst.run("quickstart", out=f"{out}/run", edits=edits)
    shutil.rmtree(out)
    return {
        f"{stage['name']}, a run's report": record["padding"]
        for stage in report.data["stages"]
        for record in stage["records"].values()
    }
