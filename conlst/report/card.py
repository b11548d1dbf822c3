"""The model card that goes with an exported model."""

import json
from typing import Any

from conlst.recipe import Recipe
from conlst.report.markdown import escape
from conlst.report.words import headline, percent, stage_name


def card(
    report: dict[str, Any], recipe: Recipe, adapted: list[str], stage: str, *, pairs: bool
) -> str:
    """A model folder's README.md: what it is, how it was made, how well it does, how to use it.

    Args:
        report: what report.json holds.
        recipe: the run's.
        adapted: the languages this very model was adapted to.
        stage: the stage whose weights these are.
        pairs: it classifies pairs of texts.
    """
    languages = list(dict.fromkeys([recipe.data.source.language, *adapted]))
    parts = [
        "---",
        f"language: {json.dumps(languages)}",
        "library_name: transformers",
        "pipeline_tag: text-classification",
        "tags: [conlst, cross-lingual, self-training]",
        "---",
        "",
        f"# {escape(recipe.name)}",
        "",
        escape(headline(report), 5000),
        "",
        f"- Weights: {stage_name(stage)}, seed {recipe.seed}",
        f"- Base model: {_base(recipe)}",
        f"- Labels: {', '.join(map(escape, report['classes']))}",
        f"- Labelled text: {escape(recipe.data.source.language)}; "
        f"unlabelled text: {', '.join(adapted) or 'none'}",
        f"- Longest input: {recipe.model.max_length} tokens",
        "",
        *_accuracies(report, adapted, stage),
        "```python",
        "from transformers import pipeline",
        'classify = pipeline("text-classification", "path/to/this/folder")',
        'classify({"text": "...", "text_pair": "..."})' if pairs else 'classify("...")',
        "```",
        "",
        "The licences of the base model and of the data hold for this model too.",
    ]
    return "\n".join(parts) + "\n"


def _base(recipe: Recipe) -> str:
    """A hub name; of a local folder only its last part, since the rest is nobody's business."""
    name = recipe.model.name
    return escape(name.rstrip("/").rpartition("/")[2] if name.startswith((".", "/")) else name)


def _accuracies(report: dict[str, Any], adapted: list[str], stage: str) -> list[str]:
    """Test accuracy of these weights, for the languages that have a test set."""
    cells: dict[str, Any] = next(
        (s["languages"] for s in report["stages"] if s["name"] == stage), {}
    )
    rows = [
        f"| {escape(code)} | {percent(cell['accuracy'])} | {cell['n']} |"
        for code, cell in cells.items()
        if cell["accuracy"] is not None and (code in adapted or report["adapt"] == "joint")
    ]
    return ["| language | test accuracy, % | rows |", "|---|---|---|", *rows, ""] if rows else []
