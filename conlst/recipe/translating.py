"""Which texts of a recipe are put into another language before any stage, and by whom."""

from conlst.augment.translators.hops import Hop, hops, nobody, obstacles
from conlst.recipe.sections import Recipe


def ways(recipe: Recipe) -> dict[str, list[Hop]]:
    """How each target language is reached from the source's, or (`rows: test`) leads to it.

    A language that no translator knows has an empty way; no language has one where the recipe
    translates nothing.
    """
    plan = recipe.data.translate
    if plan is None:
        return {}
    return {
        code: hops(*_ends(recipe, code), plan.via.get(code), plan.translators)
        for code, target in recipe.data.targets.items()
        if code != recipe.data.source.language and (plan.rows == "source" or target.test)
    }


def labelled_languages(recipe: Recipe) -> tuple[str, ...]:
    """The languages that rows with labels are in: the source's, and those it is translated into."""
    plan, own = recipe.data.translate, recipe.data.source.language
    if plan is None or plan.rows == "test":
        return (own,)
    return (own, *(code for code, way in ways(recipe).items() if way))


def untranslated(recipe: Recipe) -> list[str]:
    """What keeps the translations of a recipe from being made here, a line a language."""
    plan = recipe.data.translate
    if plan is None:
        return []
    names = [translator.name for translator in plan.translators]
    faults, found = [], ways(recipe)
    for code, way in found.items():
        faults += obstacles(way)
        if not way and (plan.missing == "error" or not any(found.values())):
            faults.append(nobody(*_ends(recipe, code), plan.via.get(code), names))
    if not found:
        faults.append("nothing to translate: no target is in another language than the source")
    return [f"data.translate: {fault}" for fault in faults]


def _ends(recipe: Recipe, code: str) -> tuple[str, str]:
    """Where the way of a target language begins and ends."""
    plan, own = recipe.data.translate, recipe.data.source.language
    return (own, code) if plan and plan.rows == "source" else (code, own)
