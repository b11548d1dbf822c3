"""From a recipe's files to what stages train on and models are tried on. Gold stays outside."""

import hashlib
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conlst.arrays import Rows
from conlst.augment.translators import Table
from conlst.data import Labelled, content_hash, read_labelled, read_rows
from conlst.data.oddities import leaked, oddities, shared
from conlst.errors import BadInput
from conlst.recipe import File, Recipe, augmented, parts_of


@dataclass(frozen=True, eq=False)
class Texts:
    """Every text of a run as it was read; labels are the source's own."""

    source: Labelled
    dev: Labelled | None
    pools: dict[str, Rows]
    tests: dict[str, Rows]
    notes: list[str] = field(default_factory=list)

    def unlabelled(self, languages: list[str]) -> Rows:
        """The pools of `languages`, one after another."""
        first, *others = languages
        rows = self.pools[first]
        for code in others:
            rows = rows.joined(self.pools[code])
        return rows


def read_texts(recipe: Recipe) -> Texts:
    """Read all files of a recipe. Of the targets, only texts and ids are read.

    Raises:
        BadInput: a file is missing or unfit; its JSON path in the recipe is named.
    """
    data, notes = recipe.data, []
    language = data.source.language
    where = "data.source.train"
    source = read_labelled(data.source.train, language, classes=data.classes, where=where)
    notes += source.notes
    dev = None
    if data.source.dev:
        where = "data.source.dev"
        dev = read_labelled(
            data.source.dev, language, classes=source.classes, where=where, every_class=False
        )
        _same_shape(dev.rows, source.rows, where)
    pools: dict[str, Rows] = {}
    tests: dict[str, Rows] = {}
    for code, target in data.targets.items():
        for kind, file, rows in (
            ("unlabelled", target.unlabelled, pools),
            ("test", target.test, tests),
        ):
            if file:
                where = f"data.targets.{code}.{kind}"
                rows[code], said = read_rows(file, code, where=where)
                _same_shape(rows[code], source.rows, where)
                notes += said if kind == "unlabelled" else []
    return Texts(source, dev, pools, tests, notes + _odd(source, dev, pools, tests))


def _odd(
    source: Labelled,
    dev: Labelled | None,
    pools: dict[str, Rows],
    tests: dict[str, Rows],
) -> list[str]:
    """What is odd about the texts, each on its own and beside the others."""
    train = "data.source.train"
    adapted = {f"data.targets.{code}.unlabelled": rows for code, rows in pools.items()}
    tried = {f"data.targets.{code}.test": rows for code, rows in tests.items()}
    tried |= {"data.source.dev": dev.rows} if dev else {}
    files = {train: source.rows, **adapted, **tried}
    said = [odd for where, rows in files.items() for odd in oddities(rows, where)]
    said += shared(adapted) + shared(tried)
    return said + [
        odd for where, rows in tried.items() for odd in leaked(rows, source.rows, where, train)
    ]


def _same_shape(rows: Rows, source: Rows, where: str) -> None:
    if (rows.pairs is None) == (source.pairs is None):
        return
    found, wanted = ("pairs", "single texts") if rows.pairs else ("single texts", "pairs")
    raise BadInput(
        f"{where}: holds {found}, but data.source.train holds {wanted}; name the columns 'text' "
        "and 'pair' (or no 'pair') alike in both"
    )


def facts(recipe: Recipe, texts: Texts) -> dict[str, Any]:
    """What the report says of the data: sizes, overlaps, hashes."""
    train_ids = set(texts.source.rows.ids)
    languages = {}
    for code in recipe.data.targets:
        pool, test = texts.pools.get(code), texts.tests.get(code)
        named = pool and not (pool.numbered or texts.source.rows.numbered)
        languages[code] = {
            "pool": len(pool) if pool else 0,
            "test": len(test) if test else None,
            "test_in_pool": _share(_texts(test), set(_texts(pool))) if test and pool else None,
            "ids_in_source": _share(list(pool.ids), train_ids) if pool and named else None,
        }
    files = {"source.train": recipe.data.source.train}
    files |= {"source.dev": recipe.data.source.dev} if recipe.data.source.dev else {}
    for code, target in recipe.data.targets.items():
        files |= {f"{code}.unlabelled": target.unlabelled} if target.unlabelled else {}
        files |= {f"{code}.test": target.test} if target.test else {}
        files |= {f"{code}.pool_gold": target.pool_gold} if target.pool_gold else {}
    read = {path: augmenter.files() for path, augmenter, _ in augmented(recipe)}
    if recipe.data.translate:
        tables = [part for part in recipe.data.translate.translators if isinstance(part, Table)]
        read["data.translate"] = [table.path for table in tables]
    for path, names in read.items():
        files |= {f"{path}: {Path(name).name}": File(path=name) for name in names}
    return {
        "classes": list(texts.source.classes),
        "source_rows": len(texts.source.rows),
        "notes": texts.notes,
        "languages": languages,
        "hashes": {name: content_hash(file) for name, file in files.items()} | code_hashes(recipe),
    }


def code_hashes(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of what defines each part from outside: the file of its class, or its bytecode.

    A part that its author has changed since makes another run of the same recipe.
    """
    classes = {part.name: type(part) for _, part in parts_of(recipe)}
    return {
        f"part {name}": hashlib.sha256(_code_of(cls)).hexdigest()
        for name, cls in classes.items()
        if not cls.__module__.startswith("conlst.")
    }


def _code_of(cls: type) -> bytes:
    try:
        return Path(inspect.getfile(cls)).read_bytes()
    except (OSError, TypeError):  # a cell of a notebook has no file
        functions = [each for _, each in inspect.getmembers(cls, inspect.isfunction)]
        return repr([(f.__code__.co_code, f.__code__.co_consts) for f in functions]).encode()


def _texts(rows: Rows | None) -> list[tuple[str, str]]:
    if rows is None:
        return []
    return list(zip(rows.texts, rows.pairs or [""] * len(rows), strict=True))


def _share(items: list[Any], among: set[Any]) -> float:
    return sum(item in among for item in items) / max(len(items), 1)
