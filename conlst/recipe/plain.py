"""What a recipe may be made of, before anybody asks what it says."""

from collections.abc import Mapping
from typing import Any

from conlst.errors import BadInput

DEEPEST = 64
"""Objects and lists inside one another; the packaged recipes need 7."""
LARGEST = 2**63
"""Whole numbers beyond it are no parameters, and other programs cannot read them."""


def refuse_unplain(value: Any) -> None:
    """Refuse what no later step could read, copy, print or write down.

    Raises:
        BadInput: it nests too deeply (or in a circle), a key is no string, a whole number is huge,
            or a string holds a zero byte or half of a character; with its JSON path.
    """
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    while waiting:
        path, node, depth = waiting.pop()
        if fault := _fault(node, depth):
            raise BadInput(f"{path.lstrip('.') or 'recipe'}: {fault}")
        if isinstance(node, Mapping):
            waiting += [(f"{path}.{_shown(key)}", item, depth + 1) for key, item in node.items()]
        elif isinstance(node, list | tuple):
            waiting += [(f"{path}[{n}]", item, depth + 1) for n, item in enumerate(node)]


def _fault(node: Any, depth: int) -> str | None:
    if isinstance(node, str):
        return _unwritable(node)
    if isinstance(node, int) and abs(node) >= LARGEST:
        return f"found a whole number of {node.bit_length()} bits; allowed: 63 bits"
    if isinstance(node, Mapping):
        for key in node:
            if not isinstance(key, str):
                return f"found the key {key!r}; allowed: strings"
            if fault := _unwritable(key):
                return fault
    if depth > DEEPEST:
        return f"found lists and objects inside one another; allowed: {DEEPEST} levels of them"
    return None


def _unwritable(text: str) -> str | None:
    if "\0" in text:
        return f"found {_shown(text)!r}, which holds a zero byte; allowed: text"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"found {_shown(text)!r}, which holds half of a character; allowed: text"
    return None


def _shown(text: object) -> str:
    return str(text)[:60]
