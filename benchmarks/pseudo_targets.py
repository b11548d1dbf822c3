"""Held-out source rows put into other languages by a program: labels known, no target row opened.

Values are tried on these, so that no label of XNLI's dev or test split takes part in a choice. Into
Spanish Apertium translates; into languages it does not know, every word that a dictionary has is
replaced, which is no translation, but neither is it English.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from conlst.arrays import Rows
from conlst.augment import CodeSwitch
from conlst.augment.translators import Apertium
from conlst.data import read_labelled
from conlst.recipe import Columns, File

COLUMNS = ("id", "premise", "hypothesis", "label")
Put = Callable[[Rows], Rows]
"""English rows in, rows of a language out."""


def languages(bed: Path) -> Mapping[str, Put]:
    """The languages that held-out rows are put into, and how."""

    def looked_up(language: str) -> Put:
        path = str(bed / "dictionaries" / "en-{language}.tsv.gz")
        switch = CodeSwitch(path=path, rate=1.0, languages=[language])
        return lambda rows: switch.rows(rows, generator=torch.Generator().manual_seed(13))[0]

    return {"es": _translated, "sw": looked_up("sw"), "ur": looked_up("ur")}


def make(bed: Path, out: Path) -> Path:
    """A bed of its own: English NLI text, and pool.<language>.tsv and test.<language>.tsv.

    They are halves of the held-out rows by premise. Both have their labels: a recipe's `unlabelled`
    file is read without that column.
    """
    folder = out / "pseudo-targets"
    folder.mkdir(parents=True, exist_ok=True)
    if not (out / "nli").exists():
        (out / "nli").symlink_to((bed / "nli").resolve())
    rows, labels = _held_out(bed)
    halves = {
        half: [i for i, text in enumerate(rows.texts) if _half(text) == half]
        for half in ("pool", "test")
    }
    for language, put in languages(bed).items():
        if all((folder / f"{half}.{language}.tsv").exists() for half in halves):
            continue
        there = put(rows)
        for half, kept in halves.items():
            _write(folder / f"{half}.{language}.tsv", there.take(kept), [labels[i] for i in kept])
    return out


def _translated(rows: Rows) -> Rows:
    """Spanish by Apertium."""
    assert rows.pairs is not None
    with Apertium().opened() as translate:
        chance = torch.Generator().manual_seed(13)
        first, second = (
            translate(list(texts), "en", "es", generator=chance)
            for texts in (rows.texts, rows.pairs)
        )
    return Rows(rows.ids, first, second, rows.languages)


def _half(premise: str) -> str:
    """The same for all rows of a premise, on every machine."""
    return ("pool", "test")[hashlib.sha256(premise.encode()).digest()[0] % 2]


def _held_out(bed: Path) -> tuple[Rows, list[str]]:
    named = Columns(id="id", text="premise", pair="hypothesis", label="label")
    file = File(path=str(bed / "nli" / "heldout.en.tsv.gz"), columns=named)
    held = read_labelled(file, "en", classes=None, where="--bed")
    return held.rows, [held.classes[number] for number in held.label.tolist()]


def _write(path: Path, rows: Rows, labels: Sequence[str]) -> None:
    assert rows.pairs is not None
    lines = ["\t".join(COLUMNS)]
    lines += map("\t".join, zip(rows.ids, rows.texts, rows.pairs, labels, strict=True))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
