"""The command. Each of its verbs imports what it needs when it runs, so that help comes at once."""

import json
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from conlst import __version__, processes
from conlst.errors import BadInput, ConlstWarning
from conlst.progress import TerminalProgress, inert

if TYPE_CHECKING:
    from conlst.recipe import Columns
    from conlst.registry import Strategy


class Refused(click.ClickException):
    """Something the user gave cannot be used."""

    exit_code = 2

    def show(self, file: "IO[Any] | None" = None) -> None:
        """Say it once, however many processes come to it."""
        if processes.speaks():
            super().show(file)
        else:
            processes.outlast()


class Stopped(click.ClickException):
    """The user stopped the command."""

    exit_code = 130

    def show(self, file: "IO[Any] | None" = None) -> None:
        """Say it without the word error: stopping is none."""
        if processes.speaks():
            click.echo(self.format_message(), err=True)


class Commands(click.Group):
    """Every exit code of the command: 0 done, 2 bad input or usage, 130 stopped; 1 is a defect."""

    def invoke(self, ctx: click.Context) -> Any:
        """Turn what a command raises into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except BadInput as error:
            raise Refused("\n".join(map(_cut, inert(str(error)).split("\n")))) from None
        except (KeyboardInterrupt, click.Abort):
            raise Stopped("Stopped.") from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse verbs that several processes would each do for themselves."""
        name, command, rest = super().resolve_command(ctx, args)
        if processes.launched() > 1 and name != "run":
            raise Refused(f"{name}: found {processes.launched()} processes; allowed: one")
        return name, command, rest

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them, not by name."""
        return list(self.commands)


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def by_language(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, Path]:
    """`sw=FILE`, once a language."""
    files: dict[str, Path] = {}
    for value in values:
        language, _, file = value.partition("=")
        if not (language and file):
            raise click.BadParameter(f"{value!r}; {AS_LANGUAGE}")
        if language in files:
            raise click.BadParameter(f"{language!r} is given twice: {files[language]}, {file}")
        files[language] = Path(file)
    return files


AS_LANGUAGE = "write it as LANGUAGE=FILE, as in sw=swahili.tsv"
BY_LANGUAGE: dict[str, Any] = {
    "multiple": True,
    "metavar": "LANGUAGE=FILE",
    "callback": by_language,
}
LONGEST = 1000
"""Characters of a line of a message, which may quote a name of any length."""
RECIPE = click.argument("recipe")
EDITS = click.option(
    "--set",
    "edits",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a value, as in self_training.iterations=2. May be repeated.",
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message="conlst %(version)s")
def main() -> None:
    """Adapt a multilingual text classifier to languages without labels, by self-training."""


@main.command()
@RECIPE
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The run folder; runs/NAME if not given. An unfinished run in it goes on.",
)
@EDITS
def run(recipe: str, out: Path | None, edits: tuple[str, ...]) -> None:
    """Run a recipe: adapt, test, report.

    RECIPE is a file or the name of a packaged recipe; try: quickstart.
    """
    from rich.console import Console

    try:
        with _voice() as progress:
            from conlst import runner
            from conlst.report import terminal

            report = runner.run(recipe, out=out, edits=edits, progress=progress)
    except KeyboardInterrupt:
        place = out or "its run folder"
        raise Stopped(f"Stopped. The same command goes on from {place}.") from None
    if not processes.speaks():
        return
    Console().print(terminal.table(report.data, progress.told))
    click.echo(f"\nrun     {report.folder}")
    click.echo(f"model   {_models(report.folder)}")
    click.echo(f"report  {report.page}")


@main.command()
@RECIPE
@EDITS
def validate(recipe: str, edits: tuple[str, ...]) -> None:
    """Check a recipe and say what it would do.

    Its local files must be there and have the columns it names; nothing is trained.
    """
    from conlst import describe
    from conlst import recipe as recipes

    checked = recipes.load(recipe, edits)
    describe.check_files(checked)
    click.echo(f"OK: {checked.name}")
    for heading, text in describe.summary(checked):
        click.echo(inert(f"  {heading:<15}{text}"))


@main.command()
@RECIPE
@EDITS
def augment(recipe: str, edits: tuple[str, ...]) -> None:
    """Make the translations a recipe needs, before it runs.

    They are kept in the user's cache (or CONLST_CACHE) and shared by all runs. Stopped, the same
    command goes on.
    """
    from rich.console import Console

    with _voice() as progress:
        from conlst import ahead
        from conlst.report import terminal

        told = ahead.augment(recipe, edits=edits, progress=progress)
    if not told:
        click.echo("Nothing to prepare: the augmenters of this recipe work as they go.")
    for path, facts in told.items():
        Console().print(terminal.prepared(path, facts))


@main.command("list")
@click.argument("kind", required=False)
def list_(kind: str | None) -> None:
    """List strategies and packaged recipes.

    KIND names one kind of them: selectors, losses, ..., recipes.
    """
    from conlst import describe
    from conlst.errors import allowed

    kinds = describe.kinds()
    if kind is not None and kind not in kinds:
        raise BadInput(f"no kind {kind!r}; " + allowed(kind, kinds))
    for each in [kind] if kind else kinds:
        click.echo(f"{each}")
        width = max(map(len, kinds[each]), default=0)
        for name, summary in kinds[each].items():
            click.echo(inert(f"  {name:<{width}}  {summary}"))


@main.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a strategy or a packaged recipe.

    NAME is what `conlst list` calls it, KIND.NAME where several kinds share a name, or
    MODULE:CLASS of a part of your own.
    """
    from conlst import describe

    for place, (full, cls) in enumerate(describe.named(name)):
        if place:
            click.echo()
        if cls:
            _show_strategy(full, cls)
        else:
            _show_recipe(full)


@main.command()
def schema() -> None:
    """Print the JSON Schema of recipes.

    An editor that knows it completes a recipe and checks it while you type.
    """
    from conlst import recipe as recipes

    click.echo(json.dumps(recipes.schema(), indent=2, ensure_ascii=False))


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Instead of stdout.")
@click.option("--text", metavar="COLUMN", help="Which column holds the text.")
@click.option("--pair", metavar="COLUMN", help="Which holds the second text, for pairs.")
@click.option("--id", metavar="COLUMN", help="Which holds the ids; row numbers otherwise.")
@click.option("--trust-remote-code", is_flag=True, help="Run code that MODEL brings or names.")
def predict(
    model: Path,
    file: Path,
    out: Path | None,
    text: str | None,
    pair: str | None,
    id: str | None,
    trust_remote_code: bool,
) -> None:
    """Classify rows with a model of a run.

    MODEL is a model folder; FILE holds the texts (CSV, TSV, JSONL or Parquet). The answer is a line
    of JSON a row: id, label and the probability of every class.
    """
    _refuse_no_model(model)
    if out and out.exists() and file.exists() and out.samefile(file):
        raise BadInput(f"--out {out}: that is the file to read; choose another")
    from conlst import data, predict
    from conlst.recipe import Columns, File

    with _voice() as progress:
        where = File(path=str(file), columns=Columns(text=text, pair=pair, id=id))
        with _options_in_messages():
            rows, notes = data.read_rows(where, "und", where="FILE")
        for note in notes:
            progress.say(note)
        classes, probs_NC = predict.classify(
            model, rows, progress, trust_remote_code=trust_remote_code
        )
    _write_lines(
        out,
        (
            _line_of_json(
                {
                    "id": row,
                    "label": classes[probs_C.argmax()],
                    "probabilities": {
                        name: round(p, 6) for name, p in zip(classes, probs_C.tolist(), strict=True)
                    },
                }
            )
            for row, probs_C in zip(rows.ids, probs_NC, strict=True)
        ),
    )


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Make the report of a run anew.

    RUN is a run folder, finished or not. The page, Markdown, JSON and figures in it are replaced.
    """
    from rich.console import Console

    from conlst.report import publish, terminal

    made = publish.again(run)
    Console().print(terminal.table(made.data))
    click.echo(f"\nreport  {made.page}")


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A page to write, HTML."
)
def compare(runs: tuple[Path, ...], out: Path | None) -> None:
    """Compare runs on the same test rows.

    RUNS are run folders; the others are compared with the first.
    """
    from rich.console import Console

    from conlst.report import compare, compare_page, terminal

    compared, reports = compare.compare(runs)
    Console().print(terminal.compared(compared))
    if out:
        _write(out, compare_page.page(compared, reports))
        click.echo(f"\nreport  {out}")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--text", metavar="COLUMN", help="Which column holds the text.")
@click.option("--pair", metavar="COLUMN", help="Which holds the second text, for pairs.")
@click.option("--label", metavar="COLUMN", help="Which holds the label.")
@click.option("--id", metavar="COLUMN", help="Which holds the ids.")
@click.option("--language", help="The language of FILE; en if not given.")
@click.option("--target", "targets", **BY_LANGUAGE, help="Unlabelled text. May be repeated.")
@click.option("--test", "tests", **BY_LANGUAGE, help="Labelled text to test on, likewise.")
@click.option("--model", help="A hub name or a model folder.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("recipe.json"),
    show_default=True,
    help="Where to write the recipe.",
)
@click.option("--force", is_flag=True, help="Replace the file at --out.")
def init(
    file: Path,
    text: str | None,
    pair: str | None,
    label: str | None,
    id: str | None,
    language: str | None,
    targets: dict[str, Path],
    tests: dict[str, Path],
    model: str | None,
    out: Path,
    force: bool,
) -> None:
    """Write a recipe for your own files.

    FILE holds the labelled rows. Columns with well-known names are found by its header; what is
    missing is asked for, or taken from options.
    """
    if out.exists() and not force:
        raise BadInput(f"{out}: is there already; choose another --out, or replace it with --force")
    from conlst import draft
    from conlst.recipe import Columns

    with _options_in_messages():
        given = Columns(text=text, pair=pair, label=label, id=id)
        found, header = draft.columns(file, given)
    click.echo(inert(f"{file.name} has the columns {', '.join(header)}"))
    if _interactive():
        found, targets = _ask_columns(found, header), targets or _ask_targets()
        language = language or click.prompt("language of the labelled text", default="en")
        model = model or click.prompt("model", default=draft.MODEL)
    _refuse_incomplete(file, found, header, targets)
    with _options_in_messages():
        written = draft.write(
            draft.draft(
                file,
                found,
                language=language or "en",
                targets=targets,
                tests=tests,
                model=model or draft.MODEL,
                out=out,
            ),
            out,
        )
    used = {role: name for role, name in found if name and role != "group"}
    click.echo(inert("read as " + ", ".join(f"{role}: {name}" for role, name in used.items())))
    click.echo(f"wrote {out}: {language or 'en'} to {', '.join(written.adapted())}")
    click.echo(f"next: conlst run {out}")


@contextmanager
def _voice() -> Iterator[TerminalProgress]:
    """A terminal to speak on, which the library's own warnings go to as well."""
    from rich.console import Console

    heard = processes.speaks()
    progress = TerminalProgress(None if heard else Console(quiet=True, force_terminal=False))
    with warnings.catch_warnings():
        plain = warnings.showwarning

        def show(message: Any, category: Any, *rest: Any, **more: Any) -> None:
            if issubclass(category, ConlstWarning):
                progress.warn(str(message))
            elif heard:
                plain(message, category, *rest, **more)

        warnings.showwarning = show
        yield progress


@contextmanager
def _options_in_messages() -> Iterator[None]:
    """Call columns by the options that name them here, not by their place in a recipe."""
    try:
        yield
    except BadInput as error:
        raise BadInput(str(error).replace("columns.", "--")) from None


def _interactive() -> bool:
    return sys.stdin.isatty()


def _models(folder: Path) -> str:
    """Where a run left its model, or its models, one a language."""
    languages = sorted(path.parent.name for path in folder.glob("model/*/config.json"))
    return str(folder / "model") + (f"/{{{','.join(languages)}}}" if languages else "")


def _show_strategy(full: str, cls: "type[Strategy]") -> None:
    from rich.console import Console
    from rich.table import Table

    from conlst import describe

    width = shutil.get_terminal_size((110, 24)).columns
    click.echo(f"{full}   {cls.__module__}.{cls.__qualname__}")
    if isinstance(cls.needs, frozenset) and cls.needs:  # else they depend on its parameters
        click.echo(f"needs {', '.join(sorted(cls.needs))}")
    click.echo(f"its examples run after: from {cls.__module__} import *\n")
    table = Table("parameter", "allowed", "default", "", box=None, pad_edge=False)
    for parameter in describe.parameters(cls):
        table.add_row(parameter.name, parameter.allowed, parameter.default, parameter.description)
    if table.row_count:
        Console(markup=False, highlight=False, width=width).print(table)
        click.echo()
    click.echo(inert(describe.fitted(describe.documentation(cls), min(width, 100))))


def _show_recipe(name: str) -> None:
    from conlst import recipe as recipes

    merged = recipes.merged(name)
    click.echo(f"{name}\n\n{merged.get('description', '')}\n")
    click.echo(json.dumps(merged, indent=2, ensure_ascii=False))


def _refuse_no_model(model: Path) -> None:
    """Name the models of a run where its folder was given in their place."""
    if (model / "config.json").is_file():
        return
    inside = sorted(str(path.parent) for path in model.glob("model/**/config.json"))
    hint = f"; did you mean {' or '.join(inside)}?" if inside else "; a run keeps it in RUN/model"
    raise BadInput(f"{model}: no model folder (no config.json in it){hint}")


def _line_of_json(value: dict[str, Any]) -> str:
    """Readable, and inert in a terminal: what `inert` would escape is escaped as JSON does."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if inert(char) == char else json.dumps(char)[1:-1] for char in text)


def _write_lines(out: Path | None, lines: Iterator[str]) -> None:
    if out is None:
        for line in lines:
            click.echo(line)
        return
    _write(out, "".join(f"{line}\n" for line in lines))


def _write(out: Path, text: str) -> None:
    from conlst.folder import RunFolder

    try:
        RunFolder(out.parent).write_text(out.name, text)
    except OSError as error:
        raise BadInput(f"--out {out}: cannot be written: {error.strerror}") from None


def _ask_columns(found: "Columns", header: list[str]) -> "Columns":
    for role in ("text", "label"):
        if getattr(found, role) is None:
            column = click.prompt(f"column of the {role}", type=click.Choice(header))
            found = found.model_copy(update={role: column})
    return found


def _ask_targets() -> dict[str, Path]:
    targets: dict[str, Path] = {}
    while True:
        question = "unlabelled text, as LANGUAGE=FILE" + (" (empty: no more)" if targets else "")
        answer = click.prompt(
            question, type=str, default="" if targets else None, show_default=False
        )
        if not answer:
            return targets
        language, _, file = answer.partition("=")
        if file:
            targets[language] = Path(file)
        else:
            click.echo(AS_LANGUAGE)


def _refuse_incomplete(
    file: Path, found: "Columns", header: list[str], targets: dict[str, Path]
) -> None:
    missing = [
        f"--{role} COLUMN (one of: {', '.join(header)})"
        for role in ("text", "label")
        if getattr(found, role) is None
    ]
    if not targets:
        missing.append("--target LANGUAGE=FILE (unlabelled text, once a language)")
    if missing:
        raise BadInput("\n  ".join([f"{file.name}: still needed:", *missing]))
