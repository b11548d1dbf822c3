"""The page of a comparison of runs."""

from typing import Any

from conlst.report import compare_tables, html

Json = dict[str, Any]


def page(compared: Json, reports: list[Json]) -> str:
    """All of it: accuracies first, then where they come from."""
    from conlst.report.figures import canvas, together

    labels = [run["label"] for run in compared["runs"]]
    with canvas.style():
        figures = [together.confidences(labels, reports), together.curves(labels, reports)]
    rooms = ("runs", "accuracy", "average", "by_language", "recipe", "cost")
    grids = {name: getattr(compare_tables, name)(compared) for name in rooms}
    given = {"figures": figures, "grids": grids, "headline": headline(compared)}
    return html.filled("compare.html", "Runs compared", given)


def headline(compared: Json) -> str:
    """Which run is best, and whether that is more than chance."""
    over = compared["over"]
    first, *others = compared["runs"]
    told = [cell[""] for cell in compared["differences"][1:]]
    better = [run["label"] for run, cell in zip(others, told, strict=True) if _sure(cell, 1)]
    worse = [run["label"] for run, cell in zip(others, told, strict=True) if _sure(cell, -1)]
    said = [f"{len(others) + 1} runs on the same test rows, averaged over {', '.join(over)}."]
    said += [f"Better than {first['label']}: {', '.join(better)}."] if better else []
    said += [f"Worse than {first['label']}: {', '.join(worse)}."] if worse else []
    if len(better) + len(worse) < len(others):
        apart = {*better, *worse}
        same = [run["label"] for run in others if run["label"] not in apart]
        said.append(
            f"Not told apart from {first['label']} by these test rows (p above .05): "
            f"{', '.join(same)}."
        )
    return " ".join(said)


def _sure(cell: Json, sign: int) -> bool:
    return bool(cell["p"] <= 0.05 and sign * cell["value"] > 0)
