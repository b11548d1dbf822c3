"""The table of faults, from the result file alone."""

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]
WHAT = {
    "kills": "runs killed (SIGKILL) at random instants and begun again",
    "processes": "runs in several processes, compared with one process (within 1e-4)",
    "disks": "runs whose disk was full, read-only or broken from some write on, and begun again",
    "recipes": "recipes mutated, refused with place, found and allowed, or accepted",
    "files": "bad or damaged data files, refused with place and row, or accepted and said",
}
"""By the name of the line; where there is more to say than how many, the line says it."""


def table(results: Path) -> str:
    """A row a line; nothing where there is no result file."""
    file = results / "faults.json"
    if not file.is_file():
        return ""
    lines: dict[str, Json] = json.loads(file.read_text(encoding="utf-8"))
    rows = ["| what | tried | survived | where |", "| --- | ---: | ---: | --- |"]
    for name, line in lines.items():
        where = ", ".join(f"{hit} {many}" for hit, many in line["where"].items())
        what = WHAT.get(name, name)
        rows.append(f"| {what} | {line['asked']} | {line['survived']} | {where} |")
    return "\n".join(rows)
