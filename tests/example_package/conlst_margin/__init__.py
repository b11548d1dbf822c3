"""A selector by margin and a focal loss."""
