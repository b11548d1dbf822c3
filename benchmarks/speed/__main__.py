"""`python -m benchmarks.speed [GOAL ...]`: measure the speed goals and keep what was measured."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks import tables
from benchmarks.speed import GOALS, apart
from benchmarks.speed.setting import Setting
from benchmarks.speed.table import table

RESULTS = Path(__file__).parents[1] / "results"
SAME = ("versions", "setting")
"""Goals measured at different times stand in one file only if these are equal."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(GOALS)))
@click.option("--quick", is_flag=True, help="Tiny sizes, one round: whether it runs, no figures.")
@click.option(
    "--bed",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CONLST_BED",
    help="A folder with xnli/ and tokenizers/; otherwise the texts are the package's SIB-200.",
)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=13, show_default=True)
@click.option(
    "--out", default=RESULTS, type=click.Path(path_type=Path), help="Where the JSON is written."
)
def main(
    names: tuple[str, ...], quick: bool, bed: Path | None, rounds: int, seed: int, out: Path
) -> None:
    """Measure the speed goals, all of them or those that are named, each in its own process."""
    where = str(bed.resolve()) if bed else None
    setting = Setting(where, quick, 1 if quick else rounds, seed)
    result = _result(setting)
    for name in names or GOALS:
        result["goals"][name] = _measured(name, setting)
        if not quick or out != RESULTS:  # after each: an interrupted measurement keeps the others
            path = out / f"speed-{result['host']}.json"
            result = _joined(path, result)
            out.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if not quick and out == RESULTS:
        tables.write()
    click.echo(table(result))


def _measured(name: str, setting: Setting) -> dict[str, Any]:
    """A goal's lines; how long it took goes to stderr."""
    start, cpu = time.perf_counter(), _cpu_of_children()
    lines, peak = apart.run(f"benchmarks.speed.{name}", "measure", told=setting.json())
    seconds, cpu = time.perf_counter() - start, _cpu_of_children() - cpu
    click.echo(f"{name}: {seconds:.0f} s, {cpu:.0f} s of CPU, {peak / 1e9:.1f} GB", err=True)
    for line in lines:
        said = f"  {line['what']}: {line['value']:.3g} (asked {line['bound']} {line['asked']})"
        click.echo(f"{said} {line['verdict']}; {line['peer']}; {line['ours']}", err=True)
    return {
        "lines": lines,
        "seconds": round(seconds),
        "cpu_seconds": round(cpu),
        "peak_gb": round(peak / 1e9, 2),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _cpu_of_children() -> float:
    """Seconds that ended children, and theirs, have computed."""
    times = os.times()
    return times.children_user + times.children_system


def _result(setting: Setting) -> dict[str, Any]:
    """What is kept, with the machine as a child at one thread sees it; it names no folder."""
    machine, _ = apart.run("benchmarks.speed.machine", "facts")
    told = setting.json() | {"bed": bool(setting.bed)}
    return {**machine, "setting": told, "goals": {}}


def _joined(path: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Goals that were measured before stay, if on the same machine in the same setting."""
    if not path.exists():
        return result
    before = json.loads(path.read_text())
    machine = {**before["machine"], "gemm_gflops": None} == {
        **result["machine"],
        "gemm_gflops": None,
    }
    if machine and all(before[key] == result[key] for key in SAME):
        return result | {"goals": before["goals"] | result["goals"]}
    click.echo(f"{path.name} is of another machine or setting: it is begun anew", err=True)
    return result


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
