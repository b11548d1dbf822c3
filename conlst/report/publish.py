"""All that a reader opens, written into the run folder: Markdown, page, figures, changed rows."""

from pathlib import Path
from typing import Any

from conlst.data import content_hash
from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.report import Report, changes, figures
from conlst.report.build import build
from conlst.report.files import open_run
from conlst.report.markdown import markdown
from conlst.report.page import page
from conlst.report.recorded import Recorded

PAGE = "report.html"


def publish(folder: RunFolder, report: dict[str, Any]) -> None:
    """Write report.md, report.html, figures/ and changes.parquet; report.json is not written."""
    changed = changes.changed_rows(folder.path, report)
    drawn = figures.every(report)

    def fill(path: Path) -> None:
        for drawing in drawn.values():
            if drawing.png:
                (path / f"{drawing.name}.png").write_bytes(drawing.png)

    folder.write_folder("figures", fill)
    folder.write_table("changes.parquet", changes.table(changed))
    folder.write_text(PAGE, page(report, drawn, changed))
    folder.write_text("report.md", markdown(report))


def again(path: Path) -> Report:
    """Make the report of a run folder anew, of an unfinished run too.

    The parts that its recipe names are not loaded, so that no code of theirs is needed or run.

    Raises:
        BadInput: it is no run folder, no stage of it is finished, or the files that its recipe
            names are not there any more, or not as they were.
    """
    run = open_run(path)
    _refuse_other_data(path, run.recipe, run.data.get("hashes", {}))
    folder, report = RunFolder(path), build(path)
    # Who made the run says that it is finished, not who looks at it: its model may be missing.
    report["finished"] = bool((folder.read_json("report.json") or {}).get("finished"))
    publish(folder, report)
    folder.write_json("report.json", report)
    return Report(path, report)


def _refuse_other_data(path: Path, recipe: Recorded, hashes: dict[str, str]) -> None:
    """Gold and texts of other files would be other gold and other texts."""
    files = {
        f"{code}.{kind}": file
        for code, target in recipe.data.targets.items()
        for kind in ("unlabelled", "test", "pool_gold")
        if (file := getattr(target, kind))
    }
    known = {name: file for name, file in files.items() if name in hashes}
    if changed := [name for name, file in known.items() if content_hash(file) != hashes[name]]:
        raise BadInput(f"{path}: these files changed since the run: {', '.join(changed)}")
