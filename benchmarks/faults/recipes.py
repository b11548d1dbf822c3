"""Recipes that went wrong: thousands of mutations of good ones, each read by `conlst validate`.

A recipe may be refused or accepted. What it may not do is break the command: end in a traceback, in
another exit code, or in a message that does not say where.
"""

import copy
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conlst.cli import main
from conlst.recipe import merged
from conlst.recipe.files import merged_over

Place = tuple[str | int, ...]

METHODS = ("methods/conlst", "methods/conlst-joint", "methods/uda", "methods/cltp", "methods/ccl")
NO_WORDS_OF_OURS = re.compile("Traceback|Input should|validation error|pydantic")
FAULT = re.compile(r"  \S.*: .")
"""A fault has a line of its own: its place, then what is wrong there."""
MOST = 50_000
"""Characters of a message."""


@dataclass(frozen=True)
class Attempt:
    """What is handed to the command."""

    content: bytes
    """Of the recipe file `mine.json`, which stands beside itself, so that it can extend itself."""
    edits: tuple[str, ...]


def measure(count: int, seed: int) -> dict[str, Any]:
    """Try `count` recipes; tell what came of them, and of the first unclean ones the reason."""
    outcomes, reasons = Counter[str](), list[str]()

    @hypothesis.seed(seed)
    @settings(
        max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(attempts())
    def one(attempt: Attempt) -> None:
        try:
            outcomes[judged(attempt, Path(folder))] += 1
        except AssertionError as error:
            outcomes["unclean"] += 1
            reasons.append(str(error)[:500])

    with tempfile.TemporaryDirectory() as folder:
        one()
    tried = sum(outcomes.values())
    where = {"refused": outcomes["refused"], "accepted": outcomes["accepted"]}
    return {
        "asked": tried,
        "survived": tried - len(reasons),
        "where": where,
        "differing": reasons[:5],
    }


def judged(attempt: Attempt, folder: Path) -> str:
    """`accepted` or `refused`.

    Raises:
        AssertionError: neither, cleanly.
    """
    (folder / "mine.json").write_bytes(attempt.content)
    edits = [word for edit in attempt.edits for word in ("--set", edit)]
    done = CliRunner().invoke(main, ["validate", str(folder / "mine.json"), *edits])
    if not isinstance(done.exception, SystemExit | None):
        raise AssertionError(f"{done.exception!r} from {attempt}") from done.exception
    assert done.exit_code in (0, 2), f"exit code {done.exit_code} from {attempt}"
    if done.exit_code == 0:
        return "accepted"
    message = done.stderr
    assert not NO_WORDS_OF_OURS.search(message), f"{message} from {attempt}"
    assert len(message) <= MOST, f"{len(message)} characters from {attempt}"
    head, *lines = message.splitlines()
    assert head.startswith(("Error: ", "Usage: ")), f"{message} from {attempt}"
    if "fault(s)" in head:
        strays = [line for line in lines if not FAULT.match(line) and " more" not in line]
        assert not strays, f"{strays} from {attempt}"
    return "refused"


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    """A good recipe after one to three mutations, with edits that may be good or not."""
    recipe = copy.deepcopy(_good(draw(st.sampled_from(METHODS))))
    for _ in range(draw(st.integers(1, 3))):
        recipe = draw(st.sampled_from(MUTATIONS))(draw, recipe)
    text = json.dumps(recipe, ensure_ascii=draw(st.booleans()))
    content = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0:
        content = draw(st.sampled_from(SPOILINGS))(draw, content)
    edits = draw(st.lists(_edit(recipe), max_size=2)) if draw(st.integers(0, 3)) == 0 else []
    return Attempt(content, tuple(edits))


def _good(method: str) -> Any:
    """The quickstart's model and data, under a method."""
    bed = {key: value for key, value in merged("quickstart").items() if key in ("model", "data")}
    return merged_over({"conlst": 1, **bed}, merged(method))


# Values


NAMES = st.sampled_from(
    [
        "fixed",
        "flexmatch",
        "fixd",
        "mixup",
        "negative",
        "r3f",
        "nobody",
        "",
        ":",
        "json:",
        ":x",
        "json:JSONDecoder",
        "no_such_module:Class",
        "conlst.selectors.fixed:Fixd",
        "a.b:c",
        "..x:y",
    ]
)
STRINGS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "../../up",
            "/",
            "\0",
            "\ud83d",
            "\u202eabc",
            "\x1b[2J",
            "x" * 5000,
            "{language}",
            "NaN",
            "<script>",
            "C:\\",
            "~",
            "file:///etc/passwd",
            "https://example.org/x",
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 1e308, -1e308, 1e-320, 2**31, 2**63, -(2**63), 10**400, 0.5, 1.5]),
    st.floats(),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS)
VALUES = st.one_of(
    LEAVES,
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
        max_leaves=6,
    ),
    st.builds(
        lambda name, more: {"type": name} | more,
        NAMES | LEAVES,
        st.dictionaries(st.text(max_size=8), LEAVES, max_size=2),
    ),
    st.integers(2, 120).map(lambda depth: _nested(depth)),
)


def _nested(depth: int) -> Any:
    """A strategy in a strategy in a strategy."""
    inner: Any = {"type": "fixed"}
    for _ in range(depth):
        inner = {"type": "per_language", "selector": inner}
    return inner


# Mutations of the object


def _places(node: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node if isinstance(node, list) else ())
    )
    for key, value in items:
        yield from _places(value, (*place, key))


def _place(draw: st.DrawFn, recipe: Any) -> Place:
    return draw(st.sampled_from(list(_places(recipe))[:400]))


def _at(recipe: Any, place: Place) -> Any:
    for key in place:
        recipe = recipe[key]
    return recipe


def _replaced(draw: st.DrawFn, recipe: Any) -> Any:
    """Any value in any place."""
    return _put(recipe, _place(draw, recipe), draw(VALUES))


def _put(recipe: Any, place: Place, value: Any) -> Any:
    if not place:
        return value
    _at(recipe, place[:-1])[place[-1]] = value
    return recipe


def _moved(draw: st.DrawFn, recipe: Any) -> Any:
    """What stands in one place also stands in another."""
    value = copy.deepcopy(_at(recipe, _place(draw, recipe)))
    return _put(recipe, _place(draw, recipe), value)


def _left_out(draw: st.DrawFn, recipe: Any) -> Any:
    if place := _place(draw, recipe):
        del _at(recipe, place[:-1])[place[-1]]
    return recipe


def _added(draw: st.DrawFn, recipe: Any) -> Any:
    """A field that nobody knows, or one that is known elsewhere."""
    object_ = _at(recipe, _place(draw, recipe))
    if isinstance(object_, dict):
        name = draw(STRINGS | st.sampled_from(["type", "path", "extends", "each", "epochs", "hub"]))
        object_[name] = draw(VALUES)
    return recipe


def _misspelt(draw: st.DrawFn, recipe: Any) -> Any:
    """A key or a word that lacks a letter."""
    place = _place(draw, recipe)
    if not place:
        return recipe
    value, parent = _at(recipe, place), _at(recipe, place[:-1])
    if isinstance(value, str) and value:
        parent[place[-1]] = value[:-1]
    elif isinstance(parent, dict):
        parent[str(place[-1])[1:]] = parent.pop(place[-1])
    return recipe


def _extended(draw: st.DrawFn, recipe: Any) -> Any:
    """It extends itself, what is not there, or what is no recipe."""
    if isinstance(recipe, dict):
        name = st.sampled_from(["mine.json", "./mine.json", "quickstart", "settings/xnli-mbert"])
        recipe["extends"] = draw(st.lists(name | STRINGS, max_size=3) | VALUES)
    return recipe


MUTATIONS = [_replaced, _replaced, _replaced, _moved, _left_out, _added, _misspelt, _extended]


# Mutations of the text


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _inserted(draw: st.DrawFn, content: bytes) -> bytes:
    """Something that is no JSON, or JSON that Python's reader would take."""
    at = draw(st.integers(0, len(content)))
    strange = [
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 5000,
        b"\xff",
        b"\0",
        b"//",
        b",",
        b"\xef\xbb\xbf",
    ]
    return content[:at] + draw(st.sampled_from([*strange, b"[" * 100_000])) + content[at:]


def _doubled(draw: st.DrawFn, content: bytes) -> bytes:
    """A key that stands twice in one object."""
    key = draw(st.sampled_from([b'"seed"', b'"model"', b'"type"']))
    return content.replace(b"{", b"{" + key + b": 1, " + key + b": 2, ", 1)


def _number(draw: st.DrawFn, content: bytes) -> bytes:
    """A number that is none, where a number may stand."""
    strange = draw(st.sampled_from([b"NaN", b"Infinity", b"1e999", b"1" * 5000, b"01", b"0x1"]))
    return re.sub(rb"(?<=: )\d[\d.e-]*", strange, content, count=draw(st.integers(1, 3)))


SPOILINGS = [_cut, _inserted, _doubled, _number]


@st.composite
def _edit(draw: st.DrawFn, recipe: Any) -> str:
    place = ".".join(map(str, _place(draw, recipe)))
    value = draw(VALUES.map(lambda value: json.dumps(value)) | st.text(max_size=10))
    written = f"{place}{draw(st.sampled_from(['=', '=', '=', '', '.x=', '..=']))}{value}"
    # The operating system hands no zero byte to a command, and no half of a character.
    return written.replace("\0", "").encode("utf-8", "replace").decode()
