"""When a part from outside fails, its author should hear which part it was, and where."""

import linecache
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from conlst.errors import BadInput
from conlst.recipe import Recipe, parts_of
from conlst.registry import Strategy

Place = tuple[FrameType, int]
"""A frame, and the line it stands at."""


class PartFailed(BadInput):
    """A part that is not conlst's own raised an error; `__cause__` is that error, whole."""


@contextmanager
def naming_parts(recipe: Recipe) -> Iterator[None]:
    """Say which slot of a recipe, and which class, an error came from, if it came from outside.

    Raises:
        PartFailed: in the place of an error that was raised in the code of such a part.
    """
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        places = list(traceback.walk_tb(error.__traceback__))
        outside = [
            (path, part)
            for path, part in parts_of(recipe)
            if not type(part).__module__.startswith("conlst.")
        ]
        for own in (_of_class, _of_module):
            for path, part in outside:
                if found := own(places, part):
                    raise PartFailed(_said(path, part, error, found[-1])) from error
        raise


def _of_class(places: Sequence[Place], part: Strategy) -> list[Place]:
    """Where the part itself was at work."""
    return [at for at in places if isinstance(at[0].f_locals.get("self"), type(part))]


def _of_module(places: Sequence[Place], part: Strategy) -> list[Place]:
    """Where something beside it was, such as a module that it built."""
    return [at for at in places if at[0].f_globals.get("__name__") == type(part).__module__]


def _said(path: str, part: Strategy, error: Exception, at: Place) -> str:
    cls, (frame, number) = type(part), at
    line = linecache.getline(frame.f_code.co_filename, number).strip()
    return (
        f"{path}: the part {cls.__module__}:{cls.__qualname__} failed: "
        f"{type(error).__name__}: {error}\n"
        f"  in {frame.f_code.co_name}, {frame.f_code.co_filename}, line {number}: {line}"
    )
