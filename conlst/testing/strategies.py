"""What holds for every strategy."""

import inspect
import json
import re
from typing import Any

from pydantic import ValidationError

from conlst.registry import REGISTRIES, Registry, Strategy


def check_strategy(strategy: Strategy) -> None:
    """It is frozen, survives JSON, and its docstring and parameters say what they are.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    check_frozen(strategy)
    check_survives_json(strategy)
    check_parameters(strategy)
    check_documented(strategy)


def check_frozen(strategy: Strategy) -> None:
    """No parameter can be changed, and no memory can be hidden in it.

    Raises:
        AssertionError: one can; the message says which.
    """
    for name in [*type(strategy).model_fields, "memory"]:
        try:
            setattr(strategy, name, None)
        except (ValidationError, ValueError):
            continue
        raise AssertionError(f"{type(strategy).__name__}.{name} can be set: it must be frozen")


def check_survives_json(strategy: Strategy) -> None:
    """It has a name, and what a run folder keeps of it brings it back.

    Raises:
        AssertionError: it does not.
    """
    registry = _registry_of(strategy)
    unnamed = f"{type(strategy).__name__} has no name: register it with @{registry.kind}.register"
    assert strategy.name, unnamed
    dumped = json.loads(json.dumps(strategy.model_dump()))
    assert registry.validate(dumped) == strategy, f"{dumped} does not bring {strategy!r} back"


def check_parameters(strategy: Strategy) -> None:
    """Every parameter has a description.

    Raises:
        AssertionError: one has none.
    """
    cls = type(strategy)
    for name, field in cls.model_fields.items():
        assert field.description, f"{cls.__name__}.{name} has no description"


def check_documented(strategy: Strategy) -> None:
    """The docstring has summary, formula, shapes, paper, Raises and an example.

    Raises:
        AssertionError: something is missing; all of it is named.
    """
    missing = _missing_from_docstring(type(strategy))
    name = type(strategy).__name__
    assert not missing, f"the docstring of {name} lacks {', '.join(missing)}"


def _registry_of(strategy: Strategy) -> Registry[Any]:
    found = [r for r in REGISTRIES.values() if isinstance(strategy, r.base)]
    assert found, f"{type(strategy).__name__} extends no kind's contract"
    return found[0]


def _missing_from_docstring(cls: type) -> list[str]:
    text = inspect.cleandoc(vars(cls).get("__doc__") or "")
    prose = text.partition("Raises:")[0]
    wanted = {
        "a one-line summary": re.match(r"[^\n]+\.(\n\n|$)", text),
        "an indented formula": re.search(r"^ {4}\S.* (=|~|<=|>=|in) \S", prose, re.M),
        "shapes such as float[N, C]": re.search(r"(float|int64|bool)\[\w+(, ?\w+)*\]", prose),
        "a paper with its year": re.search(r"\b(19|20)\d\d\b", prose),
        "a Raises section": re.search(r"^Raises:$", text, re.M),
        "an example that runs (>>>)": ">>> " in text,
    }
    return [what for what, there in wanted.items() if not there]
