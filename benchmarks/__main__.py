"""`python -m benchmarks STUDY`: run the cells of a study; `tables`: write README.md from them."""

import sys
from pathlib import Path
from typing import Any

import click

from benchmarks import HERE, figures, tables
from benchmarks.study import Study, names, study
from conlst.cli import Commands
from conlst.errors import BadInput, allowed
from conlst.progress import inert

RESULTS = HERE / "results"
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
PLACE = click.Path(file_okay=False, path_type=Path)
COUNT = click.IntRange(min=1)


def comma(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Names with commas between them."""
    return [name.strip() for name in value.split(",")] if value else None


@click.group(cls=Commands)
def main() -> None:
    """Studies whose results stand in benchmarks/README.md."""


def study_command(name: str) -> None:
    """The command that runs a study."""

    @main.command(name, help=f"{study(name).title}.")
    @click.option("--setting", "where", default="sib200", show_default=True)
    @click.option("--languages", callback=comma, help="sw,ur,...; the setting's if not given.")
    @click.option("--systems", callback=comma, help="Some of the study's; all if not given.")
    @click.option("--seeds", type=COUNT, default=1, show_default=True, help="How many, from 13.")
    @click.option("--jobs", type=COUNT, default=1, show_default=True, help="Processes at once.")
    @click.option("--bed", type=FOLDER, envvar="CONLST_BED", help="Data that may not be shipped.")
    @click.option("--out", type=PLACE, default="runs/grids", show_default=True, help="For runs.")
    @click.option("--results", type=PLACE, default=RESULTS, help="For result files.")
    def command(**given: Any) -> None:
        _run(name, **given)


def _run(
    name: str,
    where: str,
    languages: list[str] | None,
    systems: list[str] | None,
    seeds: int,
    jobs: int,
    bed: Path | None,
    out: Path,
    results: Path,
) -> None:
    """Run the cells that have no result file; exit code 1 if any failed."""
    from benchmarks import cells as planned
    from benchmarks import grid, keeping, live
    from benchmarks.recipes import setting

    plan, place = study(name), setting(where, bed)
    if plan.settings and place.name not in plan.settings:
        raise BadInput(f"{name} is about another setting; {allowed(place.name, plan.settings)}")
    chosen = languages or plan.languages or place.languages
    numbers = list(range(planned.FIRST_SEED, planned.FIRST_SEED + seeds))
    cells, refused = planned.cells(plan, place, chosen, numbers, systems)
    known, other = keeping.known(results, cells)
    if other:
        click.echo(
            f"{len(other)} result file(s) are of another recipe than the study's now, such as "
            f"{other[0]}.json; delete them to run these cells anew",
            err=True,
        )
    keeping.write_rows(results, place)
    todo = [cell for cell in cells if cell.place not in known]
    click.echo(f"{plan.title}: {len(todo)} of {len(cells)} cells to run", err=True)
    with live.View(cells, known) as view:
        failed = grid.run(todo, jobs, out, results, view)
    _told(plan, place.name, results)
    failed |= refused
    for cell, message in failed.items():
        click.echo(f"{cell} failed:\n{inert(message)}", err=True)
    if failed:
        sys.exit(1)


def _told(plan: Study, where: str, results: Path) -> None:
    """The study's table; where results are the project's own, README.md is written anew too."""
    if plan.kind == "figures":
        for file in figures.draw(plan, where, results):
            click.echo(f"drew {file}", err=True)
    click.echo(tables.of_study(plan, where, results))
    if results == RESULTS:
        tables.write()


@main.command("tune")
@click.option("--bed", type=FOLDER, envvar="CONLST_BED", required=True)
@click.option("--systems", callback=comma, help="Some of the trials; all if not given.")
@click.option("--languages", callback=comma, help="es,sw,ur if not given.")
@click.option("--jobs", type=COUNT, default=1, show_default=True, help="Processes at once.")
@click.option("--out", type=PLACE, default="runs/grids", show_default=True, help="For runs.")
@click.option("--results", type=PLACE, default=RESULTS, help="For result files.")
def tune(bed: Path, out: Path, **given: Any) -> None:
    """Try values for xnli-mini on held-out English rows put into other languages; opens no XNLI."""
    from benchmarks import pseudo_targets

    pseudo = pseudo_targets.make(bed, out / "tune-bed")
    _run("tune", "xnli-tune", seeds=1, bed=pseudo, out=out, **given)


@main.command("tables")
def write_tables() -> None:
    """Write the tables of README.md anew from the result files."""
    tables.write()


for each in names():
    if each != "tune":  # it has a command of its own, above
        study_command(each)

if __name__ == "__main__":
    main()
