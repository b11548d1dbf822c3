"""Why a goal is missed, in a line; filled in by hand after the measurement it speaks of."""

REASONS: dict[str, str] = {}
"""Goal (its file's name) -> what falls short, and why."""
