"""XNLI with the small encoder: zero-shot, after stage 1, after stage 2, per language and seed.

The data may not be shipped (XNLI is CC BY-NC), so the command is told where it is:

    python -m benchmarks xnli --bed FOLDER      # holds xnli/{dev,test}.<lang>.tsv.gz and nli/
"""

import json
from pathlib import Path
from typing import Any

import conlst
from conlst.progress import TerminalProgress
from conlst.recipe import find

HERE = Path(__file__).parent
SETTING = HERE / "settings" / "xnli-mini.json"
RESULTS = HERE / "results"


def recipe(bed: Path, seed: int, languages: list[str]) -> dict[str, Any]:
    """The setting with the folder of the data put in."""
    raw: dict[str, Any] = json.loads(SETTING.read_text().replace("{bed}", bed.resolve().as_posix()))
    raw["model"]["name"] = str((SETTING.parent / raw["model"]["name"]).resolve())
    raw["extends"] = [str(find(name)) for name in raw["extends"]]
    raw["data"]["languages"] = languages
    return raw | {"seed": seed}


def run(bed: Path, seeds: list[int], languages: list[str], out: Path) -> None:
    """Run every seed whose result file is not there; an interrupted one goes on."""
    for seed in seeds:
        result = RESULTS / f"xnli-mini-{seed}.json"
        if result.exists():
            print(f"{result.name} is there: not run again")
            continue
        raw = recipe(bed, seed, languages)
        report = conlst.run(raw, out=out / f"xnli-mini-{seed}", progress=TerminalProgress())
        keep(report.data, result)
        print(f"wrote {result.name}")


def keep(report: dict[str, Any], result: Path) -> None:
    """Keep what is a result: figures, seeds, versions, hashes; the setting, not its paths."""
    setting = json.loads(SETTING.read_text())
    kept = {key: report[key] for key in ("seed", "setting", "adapt", "languages", "stages")}
    kept |= {"collapsed": report["collapsed"], "warnings": report["warnings"]}
    kept |= {"environment": report["environment"], "hashes": report["data"]["hashes"]}
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps({"recipe": setting, **kept}, indent=1, ensure_ascii=False) + "\n")
