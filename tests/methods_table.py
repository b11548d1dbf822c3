"""Writes docs/methods.md: every packaged method, what it is and where it departs from its paper."""

from pathlib import Path

from conlst import recipe as recipes
from conlst.recipe import PACKAGED

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/methods.md"
HEAD = """# Every method

Made by `make docs` from the packaged recipes; a test fails when it is out of date. A method goes
after a setting, which has the model, the data and the budget (epochs, rates, batch sizes):

```json
{"conlst": 1, "name": "mine", "extends": ["settings/sib200", "methods/sl-leu"]}
```

`conlst show methods/sl-leu` prints what it sets, and `conlst validate` what a recipe would then do.
What sets each apart is tested in [tests/methods](../tests/methods).

| method | what it is | where it departs |
|---|---|---|
"""


def methods():
    """Names of the packaged methods, without their folder."""
    return [n.partition("/")[2] for n in recipes.packaged() if n.startswith("methods/")]


def row(name):
    """A line of the table: a description says last where the recipe departs."""
    file = (PACKAGED / f"methods/{name}.json").relative_to(ROOT).as_posix()
    said = recipes.merged(f"methods/{name}")["description"].partition(" Goes after a setting")[0]
    what, _, departs = said.replace("|", "\\|").partition(" Departs: ")
    return f"| [`{name}`](../{file}) | {what} | {departs} |\n"


def page():
    """The whole page."""
    return HEAD + "".join(map(row, methods()))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
