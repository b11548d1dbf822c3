"""XNLI with the small encoder: zero-shot, after stage 1, after stage 2, per language and seed.

The data may not be shipped (XNLI is CC BY-NC), so the command is told where it is:

    python -m benchmarks xnli --bed FOLDER      # holds xnli/{dev,test}.<lang>.tsv.gz and nli/

A laptop pays for half of XNLI's dev text: the pool of a language is its first `POOL_ROWS` rows.
"""

import gzip
import json
from itertools import islice
from pathlib import Path
from typing import Any

import conlst
from conlst.progress import TerminalProgress
from conlst.recipe import find

HERE = Path(__file__).parent
SETTING = HERE / "settings" / "xnli-mini.json"
RESULTS = HERE / "results"
POOL_ROWS = 1245


def pools(bed: Path, languages: list[str], out: Path) -> Path:
    """Write the first rows of XNLI's dev files as pools; says in which folder."""
    folder = out / f"xnli-pools-{POOL_ROWS}"
    folder.mkdir(parents=True, exist_ok=True)
    for code in languages:
        source = bed / "xnli" / f"dev.{code}.tsv.gz"
        with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
            text = "".join(islice(file, POOL_ROWS + 1))
        (folder / f"pool.{code}.tsv").write_text(text, encoding="utf-8", newline="")
    return folder


def recipe(bed: Path, pool: Path, seed: int, languages: list[str]) -> dict[str, Any]:
    """The setting with the folders of the data put in."""
    text = SETTING.read_text().replace("{bed}", bed.resolve().as_posix())
    raw: dict[str, Any] = json.loads(text.replace("{pool}", pool.resolve().as_posix()))
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
        raw = recipe(bed, pools(bed, languages, out), seed, languages)
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
