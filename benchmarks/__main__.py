"""`python -m benchmarks STUDY`: run a study, or write the tables of README.md from its results."""

from pathlib import Path

import click

from benchmarks import tables, xnli
from conlst.cli import Commands


@click.group(cls=Commands)
def main() -> None:
    """Studies whose results stand in benchmarks/README.md."""


@main.command("xnli")
@click.option("--bed", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--seeds", default="13,14,15", show_default=True)
@click.option("--languages", default="en,fr,sw,ur,zh", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
def run_xnli(bed: Path, seeds: str, languages: str, out: Path) -> None:
    """Zero-shot, stage 1 and stage 2 on XNLI with the small encoder."""
    xnli.run(bed, [int(seed) for seed in seeds.split(",")], languages.split(","), out)
    tables.write()


@main.command("tables")
def write_tables() -> None:
    """Write the tables of README.md anew from the result files."""
    tables.write()


if __name__ == "__main__":
    main()
