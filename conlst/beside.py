"""Modules that a recipe names: those in the recipe's own folder, and those that are installed."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

_FOLDER: ContextVar[Path | None] = ContextVar("folder of the recipe", default=None)


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Look for modules in this folder first, as long as a recipe from it is read.

    A module from there finds its own neighbours while it is loaded; what it imports only later,
    inside a function, it does not.
    """
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def imported(name: str) -> ModuleType:
    """The module of that name: the recipe's neighbour if there is one, else an installed one.

    Raises:
        ImportError: there is none, or the neighbour's name is taken by another module already.
    """
    file = _neighbour(name)
    if file is None:
        return importlib.import_module(name)
    there = sys.modules.get(name)
    if there is None:
        return _loaded(name, file)
    if Path(getattr(there, "__file__", None) or "").resolve() != file:
        raise ImportError(
            f"{file} cannot be loaded as {name!r}: in this process that is "
            f"{getattr(there, '__file__', 'a built-in module')}; give the file another name"
        )
    return there


def _neighbour(name: str) -> Path | None:
    folder = _FOLDER.get()
    if folder is None or not all(part.isidentifier() for part in name.split(".")):
        return None
    place = folder.joinpath(*name.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if os.path.isfile(file):
            return file.resolve()
    return None


def _loaded(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(file.parents[name.count(".") + (file.name == "__init__.py")])
    sys.modules[name] = module
    sys.path.append(folder)  # its own neighbours, without hiding what is installed
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(folder)
    return module
