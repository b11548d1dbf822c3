"""Goal 8: a step of an XLM-R-base-shaped model that holds only the embedding rows it can need.

The peer is the same step with all 250,002 rows: AdamW fused, clipped, as the library does without
a compact vocabulary. Rows that can occur: those of the texts, by XLM-R's own tokenizer where the
bed has it.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from benchmarks.speed import bed
from benchmarks.speed.bed import CLASSES
from benchmarks.speed.rounds import Line, alternate, times_faster
from benchmarks.speed.setting import Setting
from benchmarks.speed.steps import HOW, library_steps
from conlst.arrays import Tokens
from conlst.model import Classifier
from conlst.train import Tools

DENSE, OURS = "dense, AdamW fused", "conlst, compact vocabulary"
B, ROWS = 16, 6000


def compact(tools: Tools, model: Classifier, tokens: Tokens) -> Tools:
    """The tools of a stage that may leave out the embedding rows that these tokens do not use.

    The one place that knows how the library is told.
    """
    from conlst.vocabulary import occurring

    V = model.network.get_input_embeddings().num_embeddings
    told: dict[str, Any] = {"occurring_V": lambda: occurring([tokens], model.tokenizer, V)}
    return replace(tools, **told)


def _tools(name: str, model: Classifier, precision: str, tokens: Tokens) -> Callable[[], Tools]:
    def make() -> Tools:
        tools = bed.tools(model, precision)
        return compact(tools, model, tokens) if name == OURS else tools

    return make


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The step in fp32 and in bf16, the size of the embedding's state, and equal weights."""
    setting = Setting.of(told)
    if find_spec("conlst.vocabulary") is None:
        return []
    lines = []
    for precision in ("fp32", "bf16"):
        faster, share = _step(setting, precision)
        lines.append(faster)
    lines += [share, _equal(setting)]
    return [line.json() for line in lines]


def _step(setting: Setting, precision: str) -> tuple[Line, Line]:
    """Two steps an arm, of which the second is timed."""
    shape = bed.XLMR if not setting.quick else bed.Shape(2, 32, 2, vocabulary=250_002)
    size = setting.size(B, 4)
    count = setting.size(ROWS if setting.bed else 1500, 60)
    rows = bed.texts(setting, count)
    batches = list(torch.arange(2 * size).split(size))
    model = bed.classifier(bed.folder(shape), precision)
    if setting.bed:
        xlmr = Path(setting.bed) / "tokenizers" / "xlmr"
        model.tokenizer = AutoTokenizer.from_pretrained(xlmr)
    tokens = model.tokenise(rows)
    source = bed.source_of(rows, tokens, CLASSES)
    arms = {
        name: library_steps(model, source, batches, _tools(name, model, precision, tokens))
        for name in (DENSE, OURS)
    }
    kept = len(tokens.ids.unique())
    seconds = alternate(arms, setting.rounds, warm_up=False)
    what = f"step of {shape} with {shape.vocabulary} pieces, B={size}, {precision}"
    share = Line(
        "state of the embedding (weight, gradient, two moments)",
        f"dense: {shape.vocabulary} rows",
        f"conlst: {kept} rows",
        [kept / shape.vocabulary],
        0.15,
        "<=",
        "",
    )
    return times_faster(what, seconds, DENSE, 1.2, OURS), share


def _equal(setting: Setting) -> Line:
    """The largest difference of a weight in the folders that both save after twenty steps."""
    steps, size = 20, 8
    rows = bed.texts(setting, steps * size)
    how = HOW.model_copy(update={"learning_rate": 1e-3, "weight_decay": 0.1})
    saved = []
    for name in (DENSE, OURS):
        model = bed.classifier(bed.folder(bed.TINY), "fp32")
        tokens = model.tokenise(rows)
        batches = list(torch.arange(steps * size).split(size))
        source, tools = bed.source_of(rows, tokens, CLASSES), _tools(name, model, "fp32", tokens)
        library_steps(model, source, batches, tools, how)()
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder))
            saved.append(load_file(Path(folder) / "model.safetensors"))
    dense, ours = saved
    if {k: v.shape for k, v in dense.items()} != {k: v.shape for k, v in ours.items()}:
        raise AssertionError("the saved model must be the full one")
    apart = max(float((ours[name] - value).abs().max()) for name, value in dense.items())
    return Line(
        "saved weights after 20 steps with weight decay",
        "dense AdamW",
        f"conlst: {apart:.1e} apart at most",
        [apart],
        1e-6,
        "<=",
        "",
    )
