"""What can be done before a run: `conlst augment` makes all translations a recipe needs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conlst import recipe as recipes
from conlst.arrays import Rows
from conlst.errors import BadInput
from conlst.progress import Progress
from conlst.recipe import Recipe
from conlst.texts import Texts, read_texts
from conlst.translated import translated


def augment(
    recipe: "str | Path | Mapping[str, Any] | Recipe",
    *,
    edits: Iterable[str] = (),
    progress: Progress | None = None,
) -> dict[str, dict[str, Any]]:
    """Make what a recipe translates, and let every augmenter prepare; a run then finds it all.

    Args:
        recipe: a path, the name of a packaged recipe, a dict, or a checked `Recipe`.
        edits: `path=value` changes to the recipe.
        progress: where bars and messages go; nowhere by default.

    Returns:
        What is told of it, by JSON path: `data.translate`, and each augmenter's; those with nothing
        to prepare are left out. What is made is kept as it comes, so a command that was stopped
        goes on.

    Raises:
        BadInput: the recipe or a file cannot be used, or the recipe translates nothing and has no
            augmenter at all.
    """
    checked, progress = recipes.load(recipe, edits), progress or Progress()
    places = list(recipes.augmented(checked))
    if not places and not checked.data.translate:
        raise BadInput(
            f"{checked.name}: no augmenter in source.augment or self_training.augment, and no "
            "data.translate, so there is nothing to prepare"
        )
    texts, made = translated(checked, read_texts(checked), progress)
    told = {"data.translate": made}
    told |= {
        path: dict(augmenter.prepare(_rows(checked, texts, path), progress))
        for path, augmenter, _ in places
    }
    return {path: facts for path, facts in told.items() if facts}


def _rows(recipe: Recipe, texts: Texts, path: str) -> Rows:
    """The rows that the augmenter at `path` will be shown."""
    if path.startswith("source."):
        return texts.source.rows
    return texts.unlabelled(recipe.adapted())
