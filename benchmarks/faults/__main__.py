"""`python -m benchmarks.faults --kills 100`: put conlst through faults and keep what came of it."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks import HERE
from conlst.folder import RunFolder

RESULT = HERE / "results" / "faults.json"


@click.command()
@click.option("--kills", type=click.IntRange(min=0), default=0, help="How often to kill a run.")
@click.option("--seed", default=13, show_default=True)
@click.option("--out", default=RESULT, type=click.Path(dir_okay=False, path_type=Path))
def main(kills: int, seed: int, out: Path) -> None:
    """Measure the lines that are asked for; the others stay as they are in the file."""
    from benchmarks.faults import kills as killing
    from benchmarks.faults.bed import recipes
    from benchmarks.speed import machine

    lines: dict[str, Any] = {}
    if kills:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["CONLST_CACHE"] = f"{folder}/cache"
            bed = recipes(Path(folder))
            lines["kills"] = killing.measure(kills, seed, bed, Path(folder))
    around = {"seed": seed, "machine": machine.machine(), "versions": machine.versions()}
    before = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    told = before | {name: line | around for name, line in lines.items()}
    RunFolder(out.parent).write_text(out.name, json.dumps(told, indent=1) + "\n")
    for name, line in lines.items():
        click.echo(f"{name}: survived {line['survived']} of {line['asked']}")
        for hit, many in line["where"].items():
            click.echo(f"  {many:4} {hit}")
        for wrong in line["differing"]:
            click.echo(f"  differs: {wrong}")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
