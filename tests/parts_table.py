"""Writes docs/parts.md: every part, where its formula is from, and the test that holds it to it."""

import ast
import inspect
import re
from pathlib import Path

from conlst import recipe  # noqa: F401  (imports every kind)
from conlst.registry import REGISTRIES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/parts.md"
HEAD = """# Every part

Made by `make docs` from the parts and their tests; a test fails when it is out of date.
`conlst show NAME` prints a part's formula, symbols, parameters and an example that runs. An oracle
test holds the part against its formula written a second time, as slow loops over plain numbers.
"""


def oracles():
    """kind.name -> the tests marked as its oracle, as `file::test`."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for part in filter(None, map(marked, node.decorator_list)):
                    place = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                    found.setdefault(part, []).append(place)
    return found


def marked(decorator):
    """The part that `@pytest.mark.oracle("kind.name")` names."""
    call = isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)
    if call and decorator.func.attr == "oracle":
        return decorator.args[0].value
    return None


def members():
    """(kind, class) of every part that comes with conlst."""
    for kind, registry in sorted(REGISTRIES.items()):
        yield from ((kind, cls) for cls in registry if cls.__module__.startswith("conlst."))


def paper(cls):
    """The paragraph of the docstring that names the papers."""
    text = inspect.cleandoc(cls.__doc__ or "")
    found = re.search(r"^Paper: (.+?)(?:\n\n|\Z)", text, re.M | re.S)
    return " ".join(found[1].split()) if found else ""


def page():
    """The whole page."""
    tests, lines, last = oracles(), [HEAD], None
    for kind, cls in members():
        if kind != last:
            lines += [f"\n## {kind}\n", "| part | paper | oracle test |", "|---|---|---|"]
            last = kind
        file = Path(inspect.getfile(cls)).relative_to(ROOT).as_posix()
        held = "<br>".join(
            f"[{test.partition('::')[2]}](../{test.partition('::')[0]})"
            for test in tests.get(f"{kind}.{cls.name}", [])
        )
        said = paper(cls).replace("|", "\\|")
        lines.append(f"| [`{cls.name}`](../{file}) | {said} | {held} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
