"""Studies of conlst: recipes, measured results, and the tables made from them."""

from pathlib import Path

import conlst

HERE = Path(__file__).parent
PACKAGED = Path(conlst.__file__).parent / "recipes"
"""Where the package keeps its recipes; to ask `conlst.recipe` would bring torch."""
