"""What is wrong with a recipe, said as a person reads it."""

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core.core_schema import ErrorType

from conlst.errors import allowed, nearest
from conlst.recipe.sections import Recipe
from conlst.recipe.wording import in_words
from conlst.registry import Registry

Loc = Sequence[int | str]

PYDANTICS = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}
"""Faults that pydantic would say in its own words; the others are said in ours already."""


def fault_lines(raw: Any, error: ValidationError) -> list[str]:
    """Every fault once: path, what was found, what is allowed."""
    return list(dict.fromkeys(_line(raw, fault) for fault in error.errors()))


def _line(raw: Any, fault: Any) -> str:
    loc: tuple[int | str, ...] = fault["loc"]
    if loc and loc[-1] == "[key]":  # the one kind of key with a form is a target's language
        return f"  {_dotted(loc[:-2])}: {loc[-2]!r} is no language code, such as sw or zh-Hant"
    if fault["type"] == "extra_forbidden":
        return f"  {_dotted(loc)}: no such field; {allowed(loc[-1], _fields_at(raw, loc[:-1]))}"
    place, annotation, found = list(_steps(raw, loc))[-1]
    if fault["type"] == "missing":
        return f"  {_dotted(loc)}: is missing; allowed: {_words(annotation)}"
    if fault["type"] in PYDANTICS:
        return f"  {_dotted(place) or 'recipe'}: found {_cut(found)}; {_options(found, annotation)}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"  {_dotted(loc)}: {message}; found {_cut(fault['input'])}"


def _dotted(loc: Loc) -> str:
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k[:60]}" for k in loc).lstrip(".")


def _cut(found: object) -> str:
    json = {None: "null", True: "true", False: "false"}
    shown = json[found] if found is None or isinstance(found, bool) else repr(found)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _options(found: object, annotation: Any) -> str:
    """What is allowed, after the nearest of the words that are."""
    forms = [get_args(form) for form in _alternatives(annotation) if get_origin(form) is Literal]
    words = [str(word) for form in forms for word in form]
    if words and len(forms) == len(_alternatives(annotation)):
        return allowed(found, words)
    return f"{nearest(found, words)}allowed: {_words(annotation)}"


def _words(annotation: Any) -> str:
    schema = TypeAdapter(annotation).json_schema()
    return in_words(schema, schema.get("$defs", {}))


def _fields_at(raw: Any, loc: Loc) -> list[str]:
    """The fields allowed at a place of a recipe, following its strategies' types."""
    place, annotation, found = list(_steps(raw, loc))[-1]
    model, _, registry = _unwrapped(annotation)
    if len(place) < len(loc):
        return []
    model = _strategy(registry, found) if registry is not None else model
    own = list(model.model_fields) if model else []
    return ["type", *own] if registry is not None else own


def _steps(raw: Any, loc: Loc) -> Iterator[tuple[Loc, Any, Any]]:
    """(place, its annotation, what stands there), from the whole recipe as far down as `loc` goes.

    pydantic's paths go on where the recipe's end, to say which of several forms it tried.
    """
    annotation: Any = Recipe
    yield (), annotation, raw
    for depth, key in enumerate(loc, 1):
        model, container, registry = _unwrapped(annotation)
        model = _strategy(registry, raw) if registry is not None else model
        if container is not None:
            annotation = container
        elif model is not None and key in model.model_fields:
            info = model.model_fields[str(key)]
            annotation = (
                Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
            )
        else:
            return
        raw = _item(raw, key)
        yield loc[:depth], annotation, raw


def _item(raw: Any, key: int | str) -> Any:
    try:
        return raw[key]
    except (KeyError, IndexError, TypeError):
        return None


def _strategy(registry: "Registry[Any]", raw: Any) -> type[BaseModel] | None:
    try:
        found: type[BaseModel] = registry[raw["type"]]
    except (KeyError, TypeError, ImportError):
        return None
    return found


def _alternatives(annotation: Any) -> list[Any]:
    """The forms of which a value may have any; null is none of them."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [arg for arg in get_args(annotation) if arg is not type(None)]
    return [annotation]


def _unwrapped(annotation: Any) -> tuple[type[BaseModel] | None, Any, "Registry[Any] | None"]:
    """(model, type of a container's items, registry): at most one of them is there."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for item in args[1:]:
            if isinstance(item, Registry):
                return None, None, item
        return _unwrapped(args[0])
    if origin in (Union, UnionType):
        return _unwrapped(_alternatives(annotation)[0])
    if origin in (list, dict):
        return None, args[-1], None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None, None
    return None, None, None
