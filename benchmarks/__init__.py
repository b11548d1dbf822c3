"""Studies of conlst: recipes, measured results, and the tables made from them."""

from pathlib import Path

HERE = Path(__file__).parent
