"""Reading a recipe: merged, edited, and checked whole before anything runs."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from conlst.beside import beside
from conlst.errors import BadInput
from conlst.recipe.faults import fault_lines
from conlst.recipe.files import anchored, edit_in_place, expanded, extended, find, read
from conlst.recipe.fit import misfits
from conlst.recipe.plain import refuse_unplain
from conlst.recipe.sections import Recipe
from conlst.registry import json_schema

TOLD = 50
"""Faults that are told at once: nobody reads more."""


def schema() -> dict[str, Any]:
    """JSON Schema of a recipe, every strategy's parameters listed, for editors."""
    return json_schema(Recipe)


def load(recipe: "str | Path | Mapping[str, Any] | Recipe", edits: Iterable[str] = ()) -> Recipe:
    """Read, merge, edit and check a recipe.

    Args:
        recipe: a path, the name of a packaged recipe, a dict (paths in it are relative to the
            working directory), or a recipe already checked.
        edits: `path=value` lines, applied before validation; a value is JSON, or else a string.

    Raises:
        BadInput: every fault at once, each with its JSON path, what was found and what is allowed.
    """
    folder = Path.cwd()
    if isinstance(recipe, Recipe):
        where, raw = "recipe", recipe.model_dump(mode="json")
    elif isinstance(recipe, Mapping):
        refuse_unplain(recipe)
        raw = copy.deepcopy(dict(recipe))  # edits must not reach into the caller's dict
        where, raw = "recipe", extended(anchored(raw, folder), folder, ())
    else:
        path = find(str(recipe))
        where, raw, folder = path.name, read(path, ()), path.parent
    for edit in edits:
        edit_in_place(raw, edit)
    raw = expanded(raw)
    with beside(folder):
        try:
            checked = Recipe.model_validate(raw)
        except ValidationError as error:
            raise _refusal(where, fault_lines(raw, error)) from None
    if faults := misfits(checked):
        raise _refusal(where, [f"  {fault}" for fault in faults])
    return checked


def _refusal(where: str, lines: list[str]) -> BadInput:
    more = [f"  ... and {len(lines) - TOLD} more"] if len(lines) > TOLD else []
    return BadInput("\n".join([f"{where}: {len(lines)} fault(s)", *lines[:TOLD], *more]))
