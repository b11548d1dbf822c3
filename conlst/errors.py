"""The one exception a user's input can cause, and the phrases its messages are made of."""

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """Something the user gave cannot be used. The command prints it and exits with code 2.

    The message says where, what was found, what is allowed and the nearest match.

    Examples:
        >>> raise BadInput("train.tsv: no column 'txt'; columns: id, text")
        Traceback (most recent call last):
        ...
        conlst.errors.BadInput: train.tsv: no column 'txt'; columns: id, text
    """


class ConlstWarning(UserWarning):
    """The run goes on, but its owner should know; warnings are also kept in the report."""


def allowed(found: object, names: Iterable[str]) -> str:
    """Phrase what could have stood in the place of `found`, the nearest match first.

    Examples:
        >>> allowed("flexmach", ["fixed", "flexmatch"])
        "did you mean 'flexmatch'? allowed: fixed, flexmatch"
        >>> allowed("x", [])
        'allowed: nothing'
    """
    names = list(names)
    return f"{nearest(found, names)}allowed: {', '.join(names) or 'nothing'}"


def nearest(found: object, names: Iterable[str]) -> str:
    """Ask for the name that is most like `found`; nothing, where none is.

    Examples:
        >>> nearest("flexmach", ["fixed", "flexmatch"])
        "did you mean 'flexmatch'? "
    """
    near = difflib.get_close_matches(str(found)[:200], list(names), n=1)
    return f"did you mean {near[0]!r}? " if near else ""
