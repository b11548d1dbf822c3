"""The command: what it prints where, its exit codes, and that help costs nothing."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

import conlst
from conlst import cli, describe
from conlst import recipe as recipes
from conlst.errors import BadInput, ConlstWarning
from conlst.registry import REGISTRIES
from conlst.selectors import FlexMatch

SIB = Path(conlst.__file__).parent / "embedded/sib200"
MINI = Path(conlst.__file__).parent / "embedded/mini"
HEAVY = ("torch", "transformers", "datasets", "numpy", "faiss", "pydantic", "pyarrow", "rich")
HEAVY += ("matplotlib", "jinja2")


def conlst_(*args, text=None):
    """Run the command in this process."""
    return CliRunner().invoke(cli.main, [str(arg) for arg in args], input=text)


def process(*args, code=None, **more):
    """Run the command, or a line of Python, in a process of its own."""
    command = ["-c", code] if code else ["-m", "conlst", *map(str, args)]
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=120, **more
    )


def press_control_c(run):
    """Press it as a person does: again, if nothing happens. Says how the process ended."""
    for _ in range(30):
        run.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return run.wait(timeout=5)
    raise AssertionError("control-C does not stop it")


def refused(result, *parts):
    """Exit code 2, the message on stderr, nothing on stdout and no traceback."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(("Error: ", "Usage: "))
    assert "Traceback" not in result.output
    for part in parts:
        assert part in result.stderr
    return result.stderr


@pytest.fixture
def bed(tmp_path, monkeypatch):
    """A folder with small files of a user, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text("key,sentence,topic\n1,he won,sports\n2,they voted,news\n")
    (tmp_path / "sw.csv").write_text("key,sentence\n7,walishinda\n8,walipiga kura\n")
    (tmp_path / "test.csv").write_text("key,sentence,topic\n9,alishinda,sports\n10,kura,news\n")
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder with a very small network."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=64,
        initializer_range=1.0,  # so that different texts get different answers
        id2label={0: "news", 1: "sports"},
        label2id={"news": 0, "sports": 1},
    )
    torch.manual_seed(3)
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class TestHelp:
    @pytest.mark.parametrize(
        "args", [["--help"], ["--version"], *([name, "--help"] for name in cli.main.commands)]
    )
    def test_it_loads_nothing_heavy(self, args):
        code = (
            "import sys\nfrom conlst.cli import main\n"
            f"main({args}, standalone_mode=False)\n"
            f"print('loaded:', [m for m in {HEAVY} if m in sys.modules])"
        )
        run = process(code=code)
        assert run.stdout.endswith("loaded: []\n"), run.stdout + run.stderr

    def test_it_comes_at_once(self):
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            process("--help")
            seconds.append(time.perf_counter() - start)
        assert min(seconds) < 0.3

    def test_import_loads_nothing_heavy_but_run_is_there(self):
        code = (
            "import sys, conlst\n"
            f"assert not [m for m in {HEAVY} if m in sys.modules]\n"
            "assert callable(conlst.run) and 'torch' in sys.modules"
        )
        assert process(code=code).stderr == ""
        with pytest.raises(AttributeError, match="no attribute 'runn'"):
            conlst.runn  # noqa: B018

    def test_every_command_has_a_line_in_full(self):
        result = conlst_("--help")
        for name in ("run", "validate", "list", "show", "schema", "predict", "init"):
            assert f"\n  {name}" in result.output
            assert conlst_(name, "-h").exit_code == 0
        assert "..." not in result.output.partition("Commands:")[2]

    def test_version(self):
        assert conlst_("--version").output == f"conlst {conlst.__version__}\n"

    def test_usage_errors(self):
        refused(conlst_("ruin"), "No such command")
        refused(conlst_("run"), "Missing argument 'RECIPE'")
        refused(conlst_("run", "quickstart", "--selector", "fixed"), "No such option")


class TestExitCodes:
    @pytest.mark.parametrize(
        "args",
        [
            ("run", "nowhere.json"),
            ("validate", "quikstart"),
            ("list", "selector"),
            ("show", "flexmach"),
            ("predict", "nowhere", "nothing.csv"),
            ("init", "nothing.csv"),
        ],
    )
    def test_bad_input_to_every_command(self, args, bed):
        refused(conlst_(*args))

    def test_in_a_process_of_its_own(self):
        run = process("validate", "quikstart")
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr.startswith("Error: no recipe file 'quikstart'")
        assert "did you mean 'quickstart'?" in run.stderr
        assert "Traceback" not in run.stderr

    def test_a_message_cannot_speak_to_the_terminal(self):
        message = refused(conlst_("validate", "\x1b[2J\u202ex"))
        assert "\x1b" not in message
        assert "\u202e" not in message

    def test_a_defect_is_no_bad_input(self, monkeypatch):
        monkeypatch.setattr("conlst.recipe.schema", lambda: 1 / 0)
        result = conlst_("schema")
        assert result.exit_code == 1
        assert isinstance(result.exception, ZeroDivisionError)

    def test_stopping_anywhere(self, monkeypatch):
        def stop():
            raise KeyboardInterrupt

        monkeypatch.setattr("conlst.recipe.schema", stop)
        result = conlst_("schema")
        assert (result.exit_code, result.stderr.strip()) == (130, "Stopped.")


class TestRun:
    """The path from arguments to the runner and back; the runner itself is tested elsewhere."""

    @pytest.fixture
    def asked(self, monkeypatch, tmp_path):
        from conlst.report import Report

        asked = {}

        def run(recipe, **more):
            asked.update(more, recipe=recipe)
            (tmp_path / "q/model").mkdir(parents=True, exist_ok=True)
            warnings.warn("a class without rows", ConlstWarning, stacklevel=1)
            return Report(tmp_path / "q", {"some": "figures"})

        monkeypatch.setattr("conlst.runner.run", run)
        monkeypatch.setattr("conlst.report.terminal.table", lambda data, told: f"TABLE {data}")
        return asked

    def test_arguments_reach_the_runner(self, asked, tmp_path):
        result = conlst_("run", "quickstart", "--out", "q", "--set", "seed=1", "--set", "name=x")
        assert result.exit_code == 0, result.output
        assert asked["recipe"] == "quickstart"
        assert asked["out"] == Path("q")
        assert asked["edits"] == ("seed=1", "name=x")
        assert result.stdout.startswith("TABLE {'some': 'figures'}\n")
        for place in ("q", "q/model", "q/report.html"):
            assert f"  {tmp_path / place}\n" in result.stdout

    def test_the_librarys_warnings_are_one_line_each_on_stderr(self, asked):
        result = conlst_("run", "quickstart")
        assert result.stderr == "warning: a class without rows\n"

    def test_the_models_of_several_languages_are_named(self, asked, tmp_path):
        for code in ("ur", "fr"):
            (tmp_path / "q/model" / code).mkdir(parents=True)
            (tmp_path / "q/model" / code / "config.json").touch()
        assert f"{tmp_path / 'q/model'}/{{fr,ur}}\n" in conlst_("run", "quickstart").stdout

    def test_stopping_says_how_to_go_on(self, monkeypatch):
        def run(recipe, **more):
            raise KeyboardInterrupt

        monkeypatch.setattr("conlst.runner.run", run)
        result = conlst_("run", "quickstart", "--out", "runs/q")
        assert (result.exit_code, result.stdout) == (130, "")
        assert result.stderr == "Stopped. The same command goes on from runs/q.\n"
        assert "goes on from its run folder." in conlst_("run", "quickstart").stderr

    def test_bad_input_from_the_runner(self, monkeypatch):
        def run(recipe, **more):
            raise BadInput("q: holds a run of another recipe")

        monkeypatch.setattr("conlst.runner.run", run)
        refused(conlst_("run", "quickstart"), "Error: q: holds a run of another recipe")

    def test_out_must_not_be_a_file(self, bed):
        refused(conlst_("run", "quickstart", "--out", "train.csv"), "'train.csv' is a file")

    @pytest.mark.slow
    def test_control_c_in_a_process_of_its_own(self, tmp_path):
        run = subprocess.Popen(
            [sys.executable, "-m", "conlst", "run", "quickstart", "--out", tmp_path / "q"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 120
        while not (tmp_path / "q/environment.json").exists() and time.monotonic() < until:
            time.sleep(0.2)
        press_control_c(run)
        out, err = run.communicate(timeout=60)
        assert (run.returncode, out) == (130, "")
        assert f"goes on from {tmp_path / 'q'}." in err
        assert "Traceback" not in err


class TestValidate:
    def test_a_summary_of_the_run(self):
        result = conlst_("validate", "quickstart", "--set", "contrastive.confident.threshold=0.8")
        assert result.exit_code == 0, result.output
        for part in (
            "OK: quickstart",
            "fr, sw, ur, zh in one model (joint)",
            "en too",
            "en: source.en.tsv.gz; watched on dev.en.tsv.gz",
            "confident fixed(threshold=0.8)",
            "negatives uniform",
            "self-training  offline, 1 x 2 epochs at 0.0002 in batches of 32, each from the one",
            "selector fixed(threshold=0.7)",
            "augment one_of(choices=[masking, mixup])",
        ):
            assert part in result.stdout
        assert result.stderr == ""

    def test_stages_that_are_left_out(self):
        result = conlst_(
            "validate",
            "settings/sib200",
            "--set",
            "contrastive=null",
            "--set",
            "self_training=null",
        )
        assert "contrastive    none\n" in result.stdout
        assert "self-training  none\n" in result.stdout

    def test_the_hub_is_not_asked(self):
        result = conlst_("validate", "settings/xnli-xlmr")
        assert result.exit_code == 0, result.output
        assert "nyu-mll/multi_nli train" in result.stdout
        assert "FacebookAI/xlm-roberta-large, 128 tokens" in result.stdout

    def test_a_source_stage_that_is_a_checkpoint(self, model):
        result = conlst_("validate", "quickstart", "--set", f"source.checkpoint={model}")
        assert f"none: starts from {model}" in result.stdout

    def test_all_faults_in_files_are_told_at_once(self, bed):
        recipe = {
            "conlst": 1,
            "name": "mine",
            "extends": ["methods/conlst"],
            "model": {"name": "./no-model"},
            "data": {
                "source": {"train": {"path": "train.csv"}},
                "targets": {
                    "sw": {
                        "unlabelled": {"path": "sw.cvs"},
                        "test": {"path": "sw.csv", "columns": {"text": "sentence"}},
                    },
                    "fr": {"test": {"path": "test.csv", "columns": {"label": "tpic"}}},
                },
            },
        }
        Path("mine.json").write_text(json.dumps(recipe))
        message = refused(
            conlst_("validate", "mine.json", "--set", "source.checkpoint=./no-checkpoint")
        )
        assert message.startswith("Error: mine: 5 fault(s)\n")
        for part in (
            "\n  model.name: model '",
            "\n  source.checkpoint: model './no-checkpoint'",
            "\n  data.targets.sw.unlabelled: ",
            "sw.csv",
            "\n  data.targets.sw.test: sw.csv: no column is known to hold the label",
            "\n  data.targets.fr.test: test.csv: columns.label: no column 'tpic'; "
            "did you mean 'topic'?",
        ):
            assert part in message

    def test_a_method_alone_is_no_recipe(self):
        refused(conlst_("validate", "methods/conlst"), "model: is missing", "data: is missing")


class TestList:
    def test_every_strategy_and_recipe_with_a_line(self):
        result = conlst_("list")
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        for kind in ("selectors", "labellers", "negatives", "augmenters", "losses", "recipes"):
            assert kind in lines
        for line in lines:
            assert not line.startswith(" ") or len(line.split(maxsplit=1)) == 2, line
        for name in recipes.packaged():
            assert f"  {name} " in result.stdout

    def test_one_kind(self):
        result = conlst_("list", "selectors")
        assert result.stdout.startswith("selectors\n")
        assert "flexmatch" in result.stdout
        assert "masking" not in result.stdout
        assert "quickstart" in conlst_("list", "recipes").stdout

    def test_an_unknown_kind_names_the_kinds(self):
        message = refused(conlst_("list", "selector"), "did you mean 'selectors'?")
        assert "labellers" in message

    def test_a_plug_in_is_named_but_not_loaded(self, monkeypatch):
        monkeypatch.setattr(REGISTRIES["selectors"], "names", lambda: ["fixed", "from_a_plugin"])
        assert "from_a_plugin  from another package" in conlst_("list", "selectors").stdout


class TestShow:
    def test_a_strategy_with_parameters_and_documentation(self):
        result = conlst_("show", "flexmatch")
        assert result.exit_code == 0, result.output
        for part in (
            "selectors.flexmatch   conlst.selectors.flexmatch.FlexMatch",
            "number > 0, <= 1",
            "convex | linear | concave",
            '"convex"',
            "Zhang et al. 2021",
        ):
            assert part in result.stdout

    @pytest.mark.parametrize("name", ["selectors.fixed", "selectors/fixed", "fixed"])
    def test_the_kind_may_be_said(self, name):
        assert conlst_("show", name).stdout.startswith("selectors.fixed ")

    def test_a_strategy_that_holds_strategies(self):
        assert "one of selectors" in conlst_("show", "per_language").stdout
        assert "list of one of augmenters" in conlst_("show", "one_of").stdout

    def test_everything_that_is_called_so(self, monkeypatch):
        monkeypatch.setitem(
            REGISTRIES["losses"]._members, "fixed", REGISTRIES["losses"]["negative"]
        )
        result = conlst_("show", "fixed")
        assert "losses.fixed " in result.stdout
        assert "selectors.fixed " in result.stdout

    def test_a_part_of_ones_own_by_its_path(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("shown_parts.py").write_text(
            "from conlst.selectors import Fixed\n"
            'class Margin(Fixed):\n    "Keep rows by margin."\n    least: float = 0.25\n'
            "class Thing: pass\n"
        )
        shown = conlst_("show", "shown_parts:Margin").stdout
        assert "selectors.shown_parts:Margin   shown_parts.Margin" in shown
        assert "0.25" in shown
        refusals = {
            "shown_parts:Margn": "no such class; did you mean 'Margin'? allowed: Fixed, Margin",
            "shown_parts:Thing": "a class of no kind; allowed: augmenters",
            "nowhere_at_all:X": "No module named 'nowhere_at_all'",
        }
        for name, said in refusals.items():
            result = conlst_("show", name)
            assert result.exit_code == 2
            assert said in result.stderr

    def test_prose_is_fitted_to_the_terminal_and_formulas_are_not(self, monkeypatch):
        monkeypatch.setenv("COLUMNS", "60")
        lines = conlst_("show", "flexmatch").stdout.splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("parameter"))
        assert all(len(line) <= 60 for line in lines[start:] if not line.startswith(" "))
        formula = next(
            line for line in describe.documentation(FlexMatch).splitlines() if "=" in line
        )
        assert formula in lines

    def test_every_strategy_can_be_shown(self):
        for kind in ("selectors", "labellers", "negatives", "augmenters", "losses"):
            for name in REGISTRIES[kind].names():
                result = conlst_("show", f"{kind}.{name}")
                assert result.exit_code == 0, result.output
                assert "(not documented)" not in result.stdout

    @pytest.mark.parametrize("name", recipes.packaged())
    def test_every_packaged_recipe_can_be_shown(self, name):
        result = conlst_("show", name)
        assert result.exit_code == 0, result.output
        merged = recipes.merged(name)
        assert result.stdout.startswith(f"{name}\n\n{merged['description']}\n")
        assert json.loads(result.stdout[result.stdout.index("{") :]) == merged

    def test_an_unknown_name(self):
        refused(conlst_("show", "flexmach"), "nothing is called 'flexmach'", "'flexmatch'")

    def test_a_broken_plug_in_is_told_in_full(self, monkeypatch):
        registry = REGISTRIES["selectors"]

        def names():
            return ["conlst.no_such_module:Broken"]

        monkeypatch.setattr(registry, "names", names)
        refused(conlst_("show", "conlst.no_such_module:Broken"), "ModuleNotFoundError")


def test_schema_is_json():
    result = conlst_("schema")
    assert json.loads(result.stdout) == recipes.schema()


class TestPredict:
    def test_a_line_of_json_a_row(self, model, bed):
        result = conlst_("predict", model, "sw.csv", "--text", "sentence", "--id", "key")
        assert result.exit_code == 0, result.output
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [line["id"] for line in lines] == ["7", "8"]
        for line in lines:
            assert list(line) == ["id", "label", "probabilities"]
            assert set(line["probabilities"]) == {"news", "sports"}
            assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)
            assert line["label"] == max(line["probabilities"], key=line["probabilities"].get)

    def test_into_a_file(self, model, bed):
        args = ("predict", model, "sw.csv", "--text", "sentence", "--id", "key")
        plain = conlst_(*args)
        result = conlst_(*args, "--out", "new/said.jsonl")
        assert (result.exit_code, result.stdout) == (0, "")
        assert Path("new/said.jsonl").read_text() == plain.stdout

    def test_known_columns_are_found_and_pairs_are_read(self, model, bed):
        Path("nli.tsv").write_text("premise\thypothesis\nIt rains\tIt is dry\n")
        result = conlst_("predict", model, "nli.tsv")
        assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["0"]
        alone = conlst_("predict", model, "nli.tsv", "--text", "premise", "--pair", "premise")
        assert alone.stdout != result.stdout

    def test_a_column_that_is_not_there_is_called_by_its_option(self, model, bed):
        message = refused(conlst_("predict", model, "sw.csv", "--text", "sentense"))
        assert "--text: no column 'sentense'; did you mean 'sentence'?" in message

    def test_no_column_is_known(self, model, bed):
        Path("odd.csv").write_text("a,b\n1,2\n")
        refused(conlst_("predict", model, "odd.csv"), "name it in --text")

    def test_no_such_file(self, model, bed):
        refused(conlst_("predict", model, "nothing.csv"), "nothing.csv")

    def test_no_model_in_the_folder(self, bed):
        refused(conlst_("predict", ".", "sw.csv"), "no model folder")
        Path("q/model/fr").mkdir(parents=True)
        Path("q/model/fr/config.json").touch()
        refused(conlst_("predict", "q", "sw.csv"), "did you mean q/model/fr?")

    def test_a_pickled_model_is_refused(self, model, bed):
        Path("pickled").mkdir()
        Path("pickled/config.json").write_bytes((model / "config.json").read_bytes())
        Path("pickled/pytorch_model.bin").touch()
        args = ("predict", "pickled", "sw.csv", "--text", "sentence", "--out", "said.jsonl")
        refused(conlst_(*args), "pickle")
        assert not Path("said.jsonl").exists()

    def test_the_file_that_is_read_is_not_written(self, model, bed):
        before = Path("sw.csv").read_text()
        refused(
            conlst_("predict", model, "sw.csv", "--out", "./sw.csv"), "that is the file to read"
        )
        assert Path("sw.csv").read_text() == before

    def test_a_place_that_cannot_be_written(self, model, bed):
        args = ("predict", model, "sw.csv", "--text", "sentence", "--out", "train.csv/said.jsonl")
        refused(conlst_(*args), "cannot be written")


class TestInit:
    ALL = ("init", "train.csv", "--text", "sentence", "--label", "topic", "--id", "key")

    def test_it_writes_a_recipe_that_validates(self, bed):
        result = conlst_(
            *self.ALL, "--target", "sw=sw.csv", "--test", "sw=test.csv", "--test", "en=train.csv",
            "--model", MINI, "--out", "recipes/mine.json",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert "next: conlst run recipes/mine.json" in result.stdout
        assert "read as id: key, text: sentence, label: topic" in result.stdout
        assert conlst_("validate", "recipes/mine.json").exit_code == 0
        recipe = recipes.load("recipes/mine.json")
        assert recipe.name == "mine"
        assert recipe.model.name == str(MINI)
        train = recipe.data.source.train
        assert train.path == str(bed / "train.csv")
        assert (train.columns.text, train.columns.label, train.columns.id) == (
            "sentence",
            "topic",
            "key",
        )
        assert recipe.adapted() == ["sw"]
        assert recipe.languages() == ["sw", "en"]
        assert recipe.data.targets["sw"].test.columns.label == "topic"
        assert list(bed.glob("recipes/.*")) == []

    def test_paths_are_relative_to_the_recipe(self, bed):
        conlst_(*self.ALL, "--target", "sw=sw.csv", "--out", "recipes/mine.json")
        raw = json.loads(Path("recipes/mine.json").read_text())
        assert raw["data"]["source"]["train"]["path"] == "../train.csv"
        assert raw["model"]["name"] == "FacebookAI/xlm-roberta-base"

    def test_known_columns_are_found(self, bed):
        Path("nli.tsv").write_text("premise\thypothesis\tgold_label\nA\tB\tno\n")
        result = conlst_("init", "nli.tsv", "--target", "fr=nli.tsv", "--language", "sw")
        assert result.exit_code == 0, result.output
        source = recipes.load("recipe.json").data.source
        assert (source.train.columns.text, source.train.columns.pair) == ("premise", "hypothesis")
        assert source.language == "sw"

    def test_what_is_missing_is_listed(self, bed):
        message = refused(conlst_("init", "train.csv", "--label", "topic"))[7:]
        assert message.startswith("train.csv: still needed:\n  --target LANGUAGE=FILE")
        Path("odd.csv").write_text("a,b\n1,2\n")
        message = refused(conlst_("init", "odd.csv"))
        assert "\n  --text COLUMN (one of: a, b)\n  --label COLUMN (one of: a, b)\n" in message
        assert not Path("recipe.json").exists()

    def test_nothing_is_replaced_without_force(self, bed):
        Path("recipe.json").write_text("mine")
        refused(conlst_(*self.ALL, "--target", "sw=sw.csv"), "is there already")
        assert Path("recipe.json").read_text() == "mine"
        assert conlst_(*self.ALL, "--target", "sw=sw.csv", "--force").exit_code == 0
        assert recipes.load("recipe.json").adapted() == ["sw"]

    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            (("--target", "sw"), "write it as LANGUAGE=FILE"),
            (("--target", "sw="), "write it as LANGUAGE=FILE"),
            (("--target", "sw=sw.csv", "--target", "sw=test.csv"), "'sw' is given twice"),
            (("--target", "sw=nothing.csv"), "nothing.csv"),
            (("--target", "s/w=sw.csv"), "'s/w' is no language code"),
            (("--target", "sw=sw.csv", "--test", "sw=sw.csv"), "hold the label"),
            (("--target", "sw=sw.csv", "--model", "./here"), "model.name: model"),
        ],
    )
    def test_bad_options_leave_nothing_behind(self, bed, options, fault):
        before = set(bed.iterdir())
        assert ".draft" not in refused(conlst_(*self.ALL, *options), fault)
        assert set(bed.iterdir()) == before

    def test_a_column_that_is_not_there(self, bed):
        message = refused(conlst_("init", "train.csv", "--label", "topik"))
        assert "--label: no column 'topik'; did you mean 'topic'?" in message

    def test_a_place_that_cannot_be_written(self, bed):
        options = ("--target", "sw=sw.csv", "--out", "train.csv/recipe.json")
        refused(conlst_(*self.ALL, *options), "cannot be written")

    def test_it_asks_for_what_is_missing(self, bed, monkeypatch):
        monkeypatch.setattr(cli, "_interactive", lambda: True)
        Path("odd.csv").write_text("a,b\nhe won,sports\n")
        answers = "c\na\nb\nodd.csv\nsw=odd.csv\nfr=odd.csv\n\nen\n\n"
        result = conlst_("init", "odd.csv", text=answers)
        assert result.exit_code == 0, result.output
        assert "'c' is not one of 'a', 'b'" in result.output
        assert "write it as LANGUAGE=FILE" in result.output
        recipe = recipes.load("recipe.json")
        assert recipe.adapted() == ["sw", "fr"]
        columns = recipe.data.source.train.columns
        assert (columns.text, columns.label) == ("a", "b")
        assert recipe.model.name == "FacebookAI/xlm-roberta-base"

    def test_on_a_terminal(self, bed):
        """A real terminal: what is asked is seen, and control-C leaves nothing."""
        main, other = pty.openpty()
        run = subprocess.Popen(
            [sys.executable, "-m", "conlst", "init", "train.csv"],
            stdin=other,
            stdout=other,
            stderr=other,
        )
        os.close(other)
        seen = b""
        try:
            while b"unlabelled text" not in seen and select.select([main], [], [], 60)[0]:
                seen += os.read(main, 1024)
            assert b"unlabelled text, as LANGUAGE=FILE" in seen
            time.sleep(0.5)  # readline misses a signal that comes while it is starting
            assert press_control_c(run) == 130
        finally:
            run.kill()
            run.wait()
            os.close(main)
        assert not Path("recipe.json").exists()
