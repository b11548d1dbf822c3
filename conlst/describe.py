"""Strategies and recipes in words: what `conlst list`, `show` and `validate` say."""

import inspect
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from conlst import data
from conlst import recipe as recipes
from conlst.beside import beside
from conlst.errors import BadInput, allowed
from conlst.hub import out_of_reach
from conlst.recipe import File, Model, Optimisation, Recipe, Translation
from conlst.recipe.wording import in_words
from conlst.registry import REGISTRIES, Registry, Strategy
from conlst.trust import refuse_unsafe

ELSEWHERE = "from another package"
"""Stands for the summary of a plug-in: it is loaded only when it is named."""

STARTS = {
    "continue": "the one before",
    "pretrained": "the pretrained model",
    "source": "the source stage",
    "contrastive": "stage 1",
}
"""What an iteration of self-training starts from, by its `reinit`."""


@dataclass(frozen=True)
class Parameter:
    """One field of a strategy as a reader needs it."""

    name: str
    allowed: str
    default: str
    description: str


def kinds() -> dict[str, dict[str, str]]:
    """Every kind of strategy, and the recipes, each with its names and their one-line summaries."""
    out = {kind: _members(registry) for kind, registry in sorted(REGISTRIES.items())}
    return out | {"recipes": {name: _summary_of_recipe(name) for name in recipes.packaged()}}


def named(name: str) -> list[tuple[str, type[Strategy] | None]]:
    """Everything that is called so: (`kind.name`, class) of strategies, (name, None) of recipes.

    Raises:
        BadInput: nothing is, or it belongs to a plug-in that cannot be loaded.
    """
    found: list[tuple[str, type[Strategy] | None]] = []
    if ":" in name:
        return [_by_path(name)]
    for kind, registry in sorted(REGISTRIES.items()):
        plain = name.removeprefix(f"{kind}.").removeprefix(f"{kind}/")
        if plain in registry.names():
            found.append((f"{kind}.{plain}", _loaded(registry, plain)))
    if name in recipes.packaged():
        found.append((name, None))
    if not found:
        everything = sorted({each for names in kinds().values() for each in names})
        raise BadInput(f"nothing is called {name!r}; " + allowed(name, everything))
    return found


def parameters(cls: type[Strategy]) -> list[Parameter]:
    """The fields of a strategy.

    Examples:
        >>> from conlst.selectors import Fixed
        >>> [parameter.allowed for parameter in parameters(Fixed)]
        ['number > 0, <= 1']
    """
    whole = cls.model_json_schema() if cls.model_fields else {}
    schema, inner = whole.get("properties", {}), whole.get("$defs", {})
    return [
        Parameter(name, in_words(schema[name], inner), _default(field), field.description or "")
        for name, field in cls.model_fields.items()
    ]


def documentation(cls: type[Strategy]) -> str:
    """The docstring of a strategy, with its margin removed."""
    return inspect.getdoc(cls) or "(not documented)"


def fitted(text: str, width: int) -> str:
    """A docstring whose prose is broken anew for a width; formulas and lists stay as they are."""
    blocks = text.split("\n\n")
    prose = [not any(line.startswith(" ") for line in block.splitlines()) for block in blocks]
    return "\n\n".join(
        textwrap.fill(block, width, break_long_words=False) if plain else block
        for block, plain in zip(blocks, prose, strict=True)
    )


def summary(recipe: Recipe) -> list[tuple[str, str]]:
    """A recipe in a few lines, each with its heading."""
    data = recipe.data
    source = f"{data.source.language}: {_place(data.source.train)}"
    if data.source.dev:
        source += f"; watched on {_place(data.source.dev)}"
    lines = [
        ("model", f"{recipe.model.name}, {recipe.model.max_length} tokens"),
        ("source", source),
    ]
    how = {"joint": "in one model", "per_language": "in a model each"}[data.adapt]
    lines.append(("adapts to", f"{', '.join(recipe.adapted()) or 'nothing'} {how} ({data.adapt})"))
    if only := [code for code in recipe.languages() if code not in recipe.adapted()]:
        lines.append(("evaluates", f"{', '.join(only)} too"))
    if data.translate:
        lines.append(("translates", _ways(recipe, data.translate)))
    return lines + list(_stages(recipe))


def check_files(recipe: Recipe) -> None:
    """Look whether local files and models are there and their columns fit; nothing else is read.

    Raises:
        BadInput: every fault at once, with the JSON path of the file.
    """
    trusted = recipe.model.trust_remote_code
    checks: list[tuple[str, Callable[[], object]]] = [
        ("model.name", partial(refuse_unsafe, recipe.model.name, trusted=trusted)),
        ("model.name", partial(_refuse_out_of_reach, recipe.model)),
        *((where, partial(_check_columns, file, roles)) for where, file, roles in _files(recipe)),
    ]
    if recipe.source.checkpoint:
        tuned = partial(refuse_unsafe, recipe.source.checkpoint, trusted=trusted)
        checks.append(("source.checkpoint", tuned))
    faults = []
    for where, check in checks:
        try:
            check()
        except BadInput as error:
            faults.append(f"{where}: {error}")
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise BadInput(f"{recipe.name}: {len(faults)} fault(s)\n{lines}")


def _members(registry: Registry[Any]) -> dict[str, str]:
    known = {cls.name: _first_line(cls) for cls in registry}
    return {name: known.get(name, ELSEWHERE) for name in registry.names()}


def _first_line(cls: type[Strategy]) -> str:
    return documentation(cls).partition("\n")[0]


def _summary_of_recipe(name: str) -> str:
    description = str(recipes.merged(name).get("description", ""))
    first, stop, _ = description.partition(". ")
    return first + stop.strip()


def _by_path(name: str) -> tuple[str, type[Strategy]]:
    """A class as recipes name it, `module:Class`, of whatever kind; found as from this folder."""
    faults = []
    with beside(Path.cwd()):
        for kind, registry in sorted(REGISTRIES.items()):
            try:
                return f"{kind}.{name}", registry[name]
            except ImportError as error:
                faults.append(str(error).removeprefix(f"{kind}: "))
    if all(" is no " in fault for fault in faults):
        raise BadInput(f"{name}: a class of no kind; allowed: {', '.join(REGISTRIES)}")
    raise BadInput(min(faults, key=lambda fault: "allowed: nothing" in fault))


def _loaded(registry: Registry[Any], name: str) -> type[Strategy]:
    try:
        return registry[name]
    except ImportError as error:
        raise BadInput(str(error)) from None


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    return json.dumps(to_jsonable_python(field.get_default(call_default_factory=True)))


def _stages(recipe: Recipe) -> Iterator[tuple[str, str]]:
    if recipe.source.checkpoint:
        yield "source stage", f"none: starts from {recipe.source.checkpoint}"
    else:
        yield "source stage", _budget(recipe.source) + _parts(recipe.source)
    yield (
        "contrastive",
        (
            _budget(recipe.contrastive) + _parts(recipe.contrastive)
            if recipe.contrastive
            else "none"
        ),
    )
    loop = recipe.self_training
    yield (
        "self-training",
        (
            f"{loop.mode}, {loop.iterations} x {_budget(loop.budgeted(recipe.source))}, each from "
            f"{STARTS[loop.reinit]}{_parts(loop)}"
            if loop
            else "none"
        ),
    )


def _ways(recipe: Recipe, plan: Translation) -> str:
    """Which texts are translated, and by whom."""
    what = {"source": "source rows into", "test": "test rows of"}[plan.rows]
    found = recipes.ways(recipe)
    each = [
        f"{code} ({', '.join(f'{hop.source}-{hop.target} {hop.translator.name}' for hop in way)})"
        for code, way in found.items()
        if way
    ]
    without = [code for code, way in found.items() if not way]
    return f"{what} {', '.join(each)}" + (f"; not {', '.join(without)}" if without else "")


def _budget(stage: Optimisation) -> str:
    epochs = "epoch" if stage.epochs == 1 else "epochs"
    return (
        f"{stage.epochs} {epochs} at {stage.learning_rate:g} in batches of "
        f"{stage.batch_size * stage.accumulate}"
    )


def _parts(stage: Optimisation) -> str:
    """The strategies of a stage, each with the parameters that differ from its defaults."""
    parts = {name: getattr(stage, name) for name in type(stage).model_fields}
    return "".join(
        f"; {name.replace('_', ' ')} {_brief(part)}"
        for name, part in parts.items()
        if isinstance(part, Strategy)
    )


def _brief(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_brief, value))}]"
    if not isinstance(value, Strategy):
        return str(value)
    told = [
        f"{name}={_brief(getattr(value, name))}"
        for name, field in type(value).model_fields.items()
        if getattr(value, name) != field.get_default(call_default_factory=True)
    ]
    return f"{value.name}({', '.join(told)})" if told else value.name


def _refuse_out_of_reach(model: Model) -> None:
    if why := out_of_reach(model.name, model.revision):
        raise BadInput(why)


def _check_columns(file: File, needed: tuple[str, ...]) -> None:
    if file.path:
        header = data.header(file.path, file.format)
        data.guess_columns(header, file.columns, where=Path(file.path).name, needed=needed)


def _place(file: File) -> str:
    if file.path:
        return Path(file.path).name
    return " ".join(filter(None, [file.hub, file.config, file.split]))


def _files(recipe: Recipe) -> Iterator[tuple[str, File, tuple[str, ...]]]:
    """(JSON path, file, roles its columns must fill) of every file of a recipe."""
    source = recipe.data.source
    yield "data.source.train", source.train, ("text", "label")
    if source.dev:
        yield "data.source.dev", source.dev, ("text", "label")
    for code, target in recipe.data.targets.items():
        for name, file, needed in (
            ("unlabelled", target.unlabelled, ("text",)),
            ("test", target.test, ("text", "label")),
            ("pool_gold", target.pool_gold, ("label",)),
        ):
            if file:
                yield f"data.targets.{code}.{name}", file, needed
