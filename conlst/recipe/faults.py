"""What is wrong with a recipe, said as a person reads it."""

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from conlst.errors import allowed
from conlst.recipe.sections import Recipe
from conlst.registry import Registry


def fault_line(raw: Any, fault: Any) -> str:
    """One fault as a person reads it: path, what is wrong, what was found, what is allowed."""
    loc: tuple[int | str, ...] = fault["loc"]
    if loc[-1] == "[key]":  # the one kind of key with a form of its own is a target's language
        return f"  {_dotted(loc[:-2])}: {loc[-2]!r} is no language code, such as sw or zh-Hant"
    path = _dotted(loc)
    message = fault["msg"]
    if fault["type"] == "extra_forbidden":
        message = "no such field; " + allowed(loc[-1], _fields_at(raw, loc[:-1]))
        return f"  {path}: {message}"
    found = repr(fault["input"])
    if fault["type"] == "missing":
        return f"  {path}: is missing"
    return f"  {path}: {message}; found {found if len(found) <= 80 else found[:77] + '...'}"


def _dotted(loc: Sequence[int | str]) -> str:
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in loc).lstrip(".")


def _fields_at(raw: Any, loc: Sequence[int | str]) -> list[str]:
    """The fields allowed at a place of a recipe, following its strategies' types."""
    annotation: Any = Recipe
    for key in (*loc, None):
        model, container, registry = _unwrapped(annotation)
        if registry is not None:
            try:
                model = registry[raw["type"]]
            except (KeyError, TypeError, ImportError):
                return []
        if key is None:
            own = list(model.model_fields) if model else []
            return ["type", *own] if registry is not None else own
        raw = raw[int(key)] if isinstance(raw, list) else raw.get(key)
        if container is not None:
            annotation = container
        elif model is not None and key in model.model_fields:
            info = model.model_fields[str(key)]
            annotation = (
                Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
            )
        else:
            return []
    return []


def _unwrapped(annotation: Any) -> tuple[type[BaseModel] | None, Any, "Registry[Any] | None"]:
    """(model, type of a container's items, registry): at most one of them is there."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for item in args[1:]:
            if isinstance(item, Registry):
                return None, None, item
        return _unwrapped(args[0])
    if origin in (Union, UnionType):
        return _unwrapped(next(arg for arg in args if arg is not type(None)))
    if origin in (list, dict):
        return None, args[-1], None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None, None
    return None, None, None
