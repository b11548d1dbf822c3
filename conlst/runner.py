"""The order of the stages, the run folder, and taking up where a run stopped."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from conlst import processes
from conlst import recipe as recipes
from conlst.bench import SOURCE, Bench, bench, environment
from conlst.blame import naming_parts
from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.kept import prune, record_of
from conlst.model import load
from conlst.outcome import Outcome, watched
from conlst.progress import Progress
from conlst.recipe import Recipe
from conlst.report import Report
from conlst.report.build import build
from conlst.report.card import card
from conlst.report.gold import check
from conlst.report.publish import publish
from conlst.shared import source_facts, trained_once
from conlst.stages import source
from conlst.steps import Lineage, close, prepared, step
from conlst.texts import code_hashes, facts, read_texts
from conlst.train import accelerator
from conlst.translated import translated


def run(
    recipe: "str | Path | Mapping[str, Any] | Recipe",
    *,
    out: "str | Path | None" = None,
    edits: Iterable[str] = (),
    progress: Progress | None = None,
    shared: "str | Path | None" = None,
    page: bool = True,
) -> Report:
    """Run a recipe from source labels to adapted models and a report.

    Args:
        recipe: a path, the name of a packaged recipe, a dict, or a checked `Recipe`.
        out: the run folder; `runs/<name>` otherwise. An unfinished run of the same recipe in it is
            taken up where it stopped; a finished one is only reported.
        edits: `path=value` changes to the recipe.
        progress: where bars and messages go; nowhere by default.
        shared: a folder where runs keep the source stage and stage 1 for one another: a stage that
            is there, from the very same beginnings, is not trained again. Nothing there is deleted.
        page: write the report for readers too, beside report.json.

    Returns:
        The report: `.data` is what report.json holds, `.folder` the run folder.

    Raises:
        BadInput: the recipe, a file or the folder cannot be used. Nothing was overwritten.
        PartFailed: a part from outside raised an error; the part is named, the error is the cause.
    """
    progress = progress or Progress()
    with processes.together(progress):
        checked = recipes.load(recipe, edits)
        return _run(checked, out, progress, shared, page)


def _run(
    checked: Recipe,
    out: "str | Path | None",
    progress: Progress,
    shared: "str | Path | None",
    page: bool,
) -> Report:
    place = Path(out or Path("runs") / checked.name)
    folder = RunFolder.open(place, checked.model_dump(mode="json"))
    if (done := folder.read_json("report.json")) and done.get("finished"):
        _refuse_other_code(folder, checked)
        progress.say(f"{folder.path} holds this very run, finished")
        return Report(folder.path, done)
    with naming_parts(checked), ExitStack() as hold:
        ready = _prepare(checked, folder, progress, hold)
        ready.shared = Path(shared) if shared else None
        _source(ready)
        for lineage in _lineages(checked):
            _adapt(ready, lineage)
        return _finish(ready, page=page)


def _lineages(recipe: Recipe) -> list[Lineage]:
    if not (recipe.contrastive or recipe.self_training):
        return []
    tested = [code for code, target in recipe.data.targets.items() if target.test]
    if recipe.data.adapt == "joint":
        return [Lineage(recipe.adapted(), tested)]
    return [
        Lineage([code], [code] if code in tested else [], f"{code}/") for code in recipe.adapted()
    ]


def _steps(recipe: Recipe) -> list[str]:
    """The stages after the source, by the names that folders and the report know them by."""
    first = ["contrastive"] if recipe.contrastive else []
    loops = recipe.self_training.iterations if recipe.self_training else 0
    return [*first, *(f"self_training-{i}" for i in range(1, loops + 1))]


def _prepare(recipe: Recipe, folder: RunFolder, progress: Progress, hold: ExitStack) -> Bench:
    """Read and check everything before hours are spent; then the folder is held."""
    progress.say("reading texts")
    texts = read_texts(recipe)
    check(
        recipe.data,
        texts.source.classes,
        tests={code: rows.ids for code, rows in texts.tests.items()},
        pools={code: rows.ids for code, rows in texts.pools.items()},
    )
    for note in texts.notes:
        progress.say(note)
    computer = accelerator(recipe.model.precision, folder.path, recipe.trackers)
    told, around = facts(recipe, texts), environment(computer)
    _same_as_before(folder, told, around, progress)
    texts, made = processes.after_first(lambda: translated(recipe, texts, progress))
    told |= {"notes": texts.notes, "translated": made} if made else {}
    ready = processes.after_first(lambda: bench(recipe, folder, progress, texts, computer))
    hold.enter_context(folder.started(recipe.model_dump(mode="json")))
    if recipe.trackers:
        computer.init_trackers(recipe.name)
    folder.write_json("data.json", told)
    folder.write_json("environment.json", around)
    return ready


def _refuse_other_code(folder: RunFolder, recipe: Recipe) -> None:
    """A finished run speaks for the code of its parts as it was.

    Raises:
        BadInput: a part from outside was changed since.
    """
    before = (folder.read_json("data.json") or {}).get("hashes", {})
    now = code_hashes(recipe)
    if changed := [name for name in now if name in before and now[name] != before[name]]:
        raise BadInput(
            f"{folder.path}: holds a run of this recipe with other code; changed since: "
            f"{', '.join(changed)}; choose another folder with --out"
        )


def _same_as_before(
    folder: RunFolder, told: dict[str, Any], around: dict[str, Any], progress: Progress
) -> None:
    """A run that is taken up goes on with the very data it began with.

    Raises:
        BadInput: a file was changed since; its place in the recipe is named.
    """
    before = (folder.read_json("data.json") or told)["hashes"]
    if changed := [name for name in told["hashes"] if told["hashes"][name] != before.get(name)]:
        raise BadInput(
            f"{folder.path}: the run began with other data; changed since: {', '.join(changed)}; "
            "start anew with another --out, or put the files back"
        )
    began = folder.read_json("environment.json") or around
    then, now = began.get("processes", 1), around.get("processes", 1)
    if then != now:
        raise BadInput(
            f"{folder.path}: the run began with {then} processes and now has {now}: dropout would "
            "be another; start it with as many as before, or anew with another --out"
        )
    if began != around:
        progress.warn(
            f"{folder.path} was begun with other versions, threads or device: its figures may "
            "differ in the last digits from those of an undisturbed run"
        )


def _source(bench: Bench) -> None:
    """Stage 0, shared by all lineages."""
    if record_of(bench, SOURCE):
        return
    outcome = trained_once(bench, source_facts(bench), lambda: _fine_tuned(bench))
    close(bench, Lineage(bench.recipe.adapted(), list(bench.tests)), "source", outcome)


def _fine_tuned(bench: Bench) -> Outcome:
    stage, outcome = bench.recipe.source, Outcome({})
    with watched(outcome) as watch:
        if stage.checkpoint:
            outcome.facts["checkpoint"] = stage.checkpoint
            _take_over(bench, stage.checkpoint)
        else:
            if stage.augment:
                outcome.facts |= prepared(stage.augment, bench.source.rows, bench.progress)
            tools = bench.tools("", "source")
            tools.snapshot.keep(watch=watch)
            outcome.facts |= source.train(stage, bench.model, bench.source, tools)
    outcome.tokens, outcome.positions = bench.model.take_counts()
    return outcome


def _take_over(bench: Bench, checkpoint: str) -> None:
    """Start from a model folder that is fine-tuned already."""
    changes = {"name": checkpoint, "revision": None}
    section = bench.recipe.model.model_copy(update=changes)
    tuned = load(section, bench.classes, fine_tuned=True)
    try:
        if tuned.tokenizer.get_vocab() != bench.model.tokenizer.get_vocab():
            raise RuntimeError("they have different vocabularies")
        bench.model.network.load_state_dict(tuned.network.state_dict())
        bench.model.take_parts(Path(checkpoint), remembered=False)
    except RuntimeError as error:
        raise BadInput(
            f"source.checkpoint {checkpoint!r} is not a fine-tuned model.name "
            f"({bench.recipe.model.name!r}): {str(error)[:200]}"
        ) from None


def _adapt(bench: Bench, lineage: Lineage) -> None:
    """Stages 1 and 2 of one lineage. A collapse ends it: nothing is built on a broken model."""
    target, before = bench.target(lineage.adapted), SOURCE
    passed: list[str] = []
    """Iterations."""
    for name in _steps(bench.recipe):
        place = f"checkpoints/{lineage.folder}{name}"
        record = record_of(bench, place)
        passed += [place] if name != "contrastive" else []
        if record is None:
            if not (bench.logged or bench.snapshot(place).exists):  # it says itself where it is
                bench.progress.say(f"going on after {before.removeprefix('checkpoints/')}")
            record = step(bench, lineage, target, name, before)
            prune(bench, passed[:-2])
        for why in record["collapse"]:
            bench.progress.warn(f"{lineage.folder}{name} collapsed, so it ends here: {why}")
        if record.get("verdict", "go on") != "go on":
            bench.progress.say(f"{lineage.folder}{name} was the last: {record['verdict']}")
        if record["collapse"] or record.get("verdict", "go on") != "go on":
            return
        before = place


def _finish(bench: Bench, *, page: bool) -> Report:
    """Hand out what came of it; of several processes, the first does."""
    processes.by_first(lambda: _handed_out(bench, page))
    return Report(bench.folder.path, bench.folder.read_json("report.json") or {})


def _handed_out(bench: Bench, page: bool) -> None:
    """Export the models, build the report from the folder, and write it; report.json comes last."""
    folder, recipe = bench.folder, bench.recipe
    report = build(folder.path)
    for lineage in _lineages(recipe) or [Lineage([], [])]:
        last = _last_sound(bench, lineage)
        bench.go_to(last)
        pairs = bench.texts.source.rows.pairs is not None
        text = card(report, recipe, lineage.adapted, Path(last).name, pairs=pairs)

        def fill(path: Path, text: str = text) -> None:
            bench.model.export(path)
            (path / "README.md").write_text(text, encoding="utf-8")

        folder.write_folder(f"model/{lineage.folder}".rstrip("/"), fill)
    report["finished"] = True
    if page:
        publish(folder, report)
    folder.event("finished")
    folder.write_json("report.json", report)
    for tracker in bench.accelerator.trackers:
        tracker.finish()


def _last_sound(bench: Bench, lineage: Lineage) -> str:
    """The last stage of a lineage that is kept: the one whose model is handed out.

    A stage that collapsed, or that the stopping criterion rolled back, is not.
    """
    last = SOURCE
    for name in _steps(bench.recipe) if lineage.adapted else []:
        place = f"checkpoints/{lineage.folder}{name}"
        record = bench.folder.read_json(f"{place}/record.json")
        if record is None or record["collapse"] or record.get("verdict", "go on") == "roll back":
            break
        last = place
    return last
