"""`python -m benchmarks.faults --kills 100`: put conlst through faults and keep what came of it."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks import tables
from benchmarks.faults import RESULT
from conlst.folder import RunFolder

COUNT = click.IntRange(min=0)


@click.command()
@click.option("--kills", type=COUNT, default=0, help="How often to kill a run.")
@click.option("--disks", type=COUNT, default=0, help="How often the disk gives up.")
@click.option("--recipes", type=COUNT, default=0, help="How many mutated recipes to read.")
@click.option("--files", type=COUNT, default=0, help="How many damaged files, after the catalogue.")
@click.option("--processes", type=COUNT, default=0, help="How often to compare several with one.")
@click.option("--seed", default=13, show_default=True)
@click.option("--out", default=RESULT, type=click.Path(dir_okay=False, path_type=Path))
def main(seed: int, out: Path, **asked: int) -> None:
    """Measure the lines that are asked for; the others stay as they are in the file."""
    lines = {name: _measured(name, many, seed) for name, many in asked.items() if many}
    before = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    text = json.dumps(before | lines, indent=1, ensure_ascii=False)
    RunFolder(out.parent).write_text(out.name, text + "\n")
    if out == RESULT:
        tables.write()
    for name, line in lines.items():
        click.echo(f"{name}: survived {line['survived']} of {line['asked']}")
        for hit, times in line["where"].items():
            click.echo(f"  {times:4} {hit}")
        for wrong in line["differing"]:
            click.echo(f"  wrong: {wrong}")


def _measured(name: str, many: int, seed: int) -> dict[str, Any]:
    """A line, with where and by what it was measured."""
    from benchmarks.faults import bed, disks, files, kills, processes, recipes
    from benchmarks.speed import machine

    with tempfile.TemporaryDirectory() as folder:
        os.environ["CONLST_CACHE"] = f"{folder}/cache"
        runs = {"kills": kills, "disks": disks, "processes": processes}
        if name in runs:
            line = runs[name].measure(many, seed, bed.recipes(Path(folder)), Path(folder))
        else:
            line = {"recipes": recipes.measure, "files": files.measure}[name](many, seed)
    return line | {"seed": seed, "machine": machine.machine(), "versions": machine.versions()}


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
