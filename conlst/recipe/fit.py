"""What no single section can see: parts that need what the others do not give them."""

from conlst.recipe.sections import Recipe
from conlst.registry import Strategy


def misfits(recipe: Recipe) -> list[str]:
    """Each part that is not given what it needs, with its path in the recipe."""
    given_where: list[tuple[str, Strategy | None, set[str]]] = [
        ("source.augment", recipe.source.augment, set()),
        ("source.loss", recipe.source.loss, {"target"}),
    ]
    faults = _nothing_to_adapt_to(recipe)
    if stage := recipe.contrastive:
        drawn = {"negatives"} if stage.negatives else set()
        given_where += [
            ("contrastive.confident", stage.confident, set()),
            ("contrastive.complement", stage.complement, set()),
            ("contrastive.negatives", stage.negatives, set()),
            ("contrastive.loss", stage.loss, {"complement", "views"} | drawn),
            ("contrastive.source_loss", stage.source_loss, {"target", "complement"}),
        ]
        if stage.negatives and "negatives" not in stage.loss.all_needs():
            faults.append(
                f"contrastive.negatives: the loss {stage.loss.name!r} uses no negatives; "
                "allowed: null"
            )
    if loop := recipe.self_training:
        given_where += [
            ("self_training.selector", loop.selector, set()),
            ("self_training.augment", loop.augment, set()),
            ("self_training.loss", loop.loss, {"target"}),
            ("self_training.source_loss", loop.source_loss, {"target"}),
        ]
        if loop.reinit == "contrastive" and recipe.contrastive is None:
            faults.append(
                "self_training.reinit: 'contrastive', but there is no such stage; "
                "allowed: continue, pretrained, source"
            )
    return faults + [fault for where in given_where for fault in _missing(*where)]


def _missing(path: str, part: Strategy | None, given: set[str]) -> list[str]:
    needs = part.all_needs() if part else frozenset()
    return [
        f"{path}: {part.name!r} needs {need}, which is not given here; "
        f"given: {', '.join(sorted(given)) or 'nothing beyond its contract'}"
        for need in sorted(needs - given)
        if part
    ]


def _nothing_to_adapt_to(recipe: Recipe) -> list[str]:
    if recipe.adapted() or not (recipe.contrastive or recipe.self_training):
        return []
    return ["data.targets: no target has unlabelled rows, so there is nothing to adapt to"]
