"""Tables in Markdown."""

from collections.abc import Sequence

from benchmarks.statistics import Comparison


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 0) -> str:
    """A table; its first `left` columns are text, the others numbers."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def number(value: float | None) -> str:
    """A printed figure; nothing where none is known."""
    return "" if value is None else f"{value:.1f}"


def signed(told: Comparison) -> str:
    """A difference in points, with its interval.

    Examples:
        >>> signed(Comparison(0.021, -0.004, 0.05, 0.1))
        '+2.1 (-0.4 to +5.0)'
    """
    value, low, high = (f"{round(100 * x, 1) + 0.0:+.1f}" for x in told[:3])
    return f"{value} ({low} to {high})"
