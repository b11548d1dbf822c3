"""Translate-train and translate-test: texts in another language, before any stage.

    train' = train united with { (translate(x, s, t), y) : (x, y) in train } for every target t
    test'_t = { translate(x, t, s) : x in test_t }

Labels stay with their rows; of test rows there are only texts and ids here. Translations are made
once and kept in the user's cache, which later runs read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from conlst.arrays import Rows
from conlst.augment.translators.desk import Desk
from conlst.augment.translators.hops import Hop
from conlst.cache import TextCache, folder
from conlst.data import Labelled
from conlst.progress import Progress
from conlst.recipe import Recipe, ways
from conlst.texts import Texts

Facts = dict[str, Any]


def translated(recipe: Recipe, texts: Texts, progress: Progress) -> tuple[Texts, Facts]:
    """The texts that stages and tests see, and what the report tells of their translation.

    Returns:
        The texts; and `rows`: which of them are translated; `languages`: for each its translators,
        the language between, distinct texts, translations made now, texts that were translated;
        `skipped`: languages without a way.
    """
    plan, found = recipe.data.translate, ways(recipe)
    if plan is None:
        return texts, {}
    source, tests, told = texts.source, dict(texts.tests), dict[str, Facts]()
    for code, way in found.items():
        if not way:
            continue
        rows = texts.source.rows if plan.rows == "source" else texts.tests[code]
        said, made = _translations(way, _distinct(rows), progress)
        told[code] = _facts(way, said, made)
        if plan.rows == "source":
            source = _joined(source, texts.source, said, code)
        else:
            tests[code] = _put(rows, said)
    skipped = [code for code, way in found.items() if not way]
    notes = [*texts.notes, _note(plan.rows, told, skipped)]
    said_of_it = {"rows": plan.rows, "languages": told, "skipped": skipped}
    return replace(texts, source=source, tests=tests, notes=notes), said_of_it


def _translations(
    way: Sequence[Hop], texts: Sequence[str], progress: Progress
) -> tuple[dict[str, str], int]:
    """Each text with its translation at the end of the way, and how many were made now."""
    said, made = {text: text for text in texts}, 0
    for hop in way:
        what = f"translating {hop.source} into {hop.target}"
        with (
            Desk(hop.translator, TextCache(folder() / "translations.sqlite")) as desk,
            progress.task(what, len(said)) as advance,
        ):
            there = desk(list(said.values()), hop.source, hop.target, advance)
            made += desk.made
        said = {text: there[between] for text, between in said.items()}
    return said, made


def _joined(source: Labelled, own: Labelled, said: Mapping[str, str], code: str) -> Labelled:
    """Labelled rows, and behind them their `own` first ones in another language."""
    kept = [row for row in range(len(own.rows)) if _whole(own.rows, row, said)]
    new = replace(_put(own.rows, said).take(kept), languages=[code] * len(kept))
    label = torch.cat([source.label, own.label[torch.tensor(kept, dtype=torch.int64)]])
    return replace(source, rows=source.rows.joined(new), label=label)


def _put(rows: Rows, said: Mapping[str, str]) -> Rows:
    """The rows in their translation; one that has none, or for one of its texts, as it is."""
    whole = [_whole(rows, row, said) for row in range(len(rows))]

    def column(old: Sequence[str]) -> list[str]:
        return [said.get(text, text) if i else text for text, i in zip(old, whole, strict=True)]

    pairs = None if rows.pairs is None else column(rows.pairs)
    return replace(rows, texts=column(rows.texts), pairs=pairs)


def _whole(rows: Rows, row: int, said: Mapping[str, str]) -> bool:
    """Whether all texts of a row that say something have a translation."""
    texts = [rows.texts[row]] + ([] if rows.pairs is None else [rows.pairs[row]])
    return all(said[text].strip() for text in texts if text.strip())


def _distinct(rows: Rows) -> list[str]:
    return list(dict.fromkeys(t for t in [*rows.texts, *(rows.pairs or ())] if t.strip()))


def _facts(way: Sequence[Hop], said: Mapping[str, str], made: int) -> Facts:
    kept = sum(bool(text.strip()) for text in said.values())
    return {
        "translator": " + ".join(dict.fromkeys(hop.translator.name for hop in way)),
        "pivot": way[0].target if len(way) > 1 else "-",
        "texts": len(said),
        "translated_now": made,
        "kept": kept,
        "refused": {"empty": len(said) - kept} if kept < len(said) else {},
    }


def _note(rows: str, told: Mapping[str, Facts], skipped: Sequence[str]) -> str:
    """What was translated, in a sentence."""
    what = {
        "source": "the labelled rows are joined by their translations (translate-train)",
        "test": "test rows are classified in their translation (translate-test)",
    }[rows]
    each = [
        f"{code} by {facts['translator']}, {facts['kept']} of {facts['texts']} texts"
        for code, facts in told.items()
    ]
    without = f"; no translator knows {', '.join(skipped)}" if skipped else ""
    return f"{what}: {'; '.join(each)}{without}"
