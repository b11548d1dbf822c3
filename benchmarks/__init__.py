"""Studies of conlst: recipes, measured results, and the tables made from them."""
