"""Several processes on the CPU (gloo): one run, its numbers, its words and its end."""

import copy
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

import conlst
from conlst import processes
from conlst.cli import main
from conlst.errors import BadInput
from conlst.sharing import Shares, own_chance
from tests import conftest

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
COMMAND = (
    "from conlst.cli import main\nrunner.publish = lambda folder, report: None\nmain(sys.argv[2:])"
)
"""`conlst` without the report for readers, whose figures take longer than a tiny run."""
FORKED = (
    "import os, sys; from conlst import runner\n"
    "from transformers import BertForSequenceClassification, BertTokenizerFast\n"
    "children = {}\n"
    "for number in '01':\n"
    "    if (child := os.fork()) == 0:\n"
    "        os.environ |= {'RANK': number, 'LOCAL_RANK': number}\n"
    "        for name, place in (('out', 1), ('err', 2)):\n"
    "            file = os.path.join(sys.argv[1], number + name)\n"
    "            os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), place)\n"
    "        exec(os.environ['CODE'])\n"
    "        sys.exit(0)\n"
    "    children[number] = child\n"
    "codes = [os.waitpid(child, 0)[1] for child in children.values()]\n"
    "print(*map(os.waitstatus_to_exitcode, codes))"
)
"""Import everything once, and then be two."""
LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
LAUNCH += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]


def around(**more):
    """The environment of a process that knows this very conlst."""
    path = str(Path(conlst.__file__).parents[1])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def free_port():
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return str(some.getsockname()[1])


def two(folder, code, *arguments, **more):
    """Run Python code in two processes that know of one another; their exit codes and words."""
    place = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "CODE": code}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    codes = subprocess.run(
        [sys.executable, "-c", FORKED, folder, *map(str, arguments)],
        env=around(**place, **more),
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=True,
    ).stdout.split()
    words = [[(folder / (number + name)).read_text() for name in ("out", "err")] for number in "01"]
    return list(map(int, codes)), words


@pytest.fixture(scope="module")
def still(tiny_encoder, tmp_path_factory):
    """The tiny encoder without dropout, whose masks nothing could compare."""
    folder = tmp_path_factory.mktemp("still")
    for file in tiny_encoder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def raw(still, files):
    """Batches that two cannot halve, one of a single row, rows compared, states mixed."""
    raw = conftest.recipe.__wrapped__(still, files)
    raw["source"] |= {"epochs": 6, "batch_size": 7}
    raw["contrastive"] |= {
        "batch_size": 7,
        "loss": {
            "type": "weighted_sum",
            "losses": [{"type": "contrastive_negative"}, {"type": "supcon"}],
            "weights": [1.0, 0.1],
        },
    }
    raw["self_training"] |= {
        "iterations": 1,
        "mode": "online",
        "batch_size": 47,
        "accumulate": 2,
        "selector": {"type": "flexmatch", "threshold": 0.4},
        "augment": {"type": "mixup", "where": 1},
    }
    return raw


@pytest.fixture(scope="module")
def source_alone(raw, tmp_path_factory):
    """A recipe of a second, in a file."""
    short = {name: copy.deepcopy(raw[name]) for name in ("conlst", "name", "seed", "model", "data")}
    short["source"] = raw["source"] | {"epochs": 1}
    file = tmp_path_factory.mktemp("recipe") / "short.json"
    file.write_text(json.dumps(short))
    return file


def tables(run):
    return {file.relative_to(run): pq.read_table(file) for file in run.rglob("*s/*.parquet")}


def weights(run):
    """Without the biases of attention keys: they have no effect, and Adam walks on their noise."""
    return {
        (file.parent.name, name): value
        for file in run.rglob("*.safetensors")
        for name, value in load_file(file).items()
        if not name.endswith("attention.self.key.bias")
    }


def assert_alike(one, other):
    """Probabilities and weights within 1e-4; everything decided is the same."""
    assert weights(one).keys() == weights(other).keys()
    for name, value in weights(other).items():
        torch.testing.assert_close(value, weights(one)[name], rtol=0, atol=1e-4, msg=str(name))
    assert tables(one).keys() == tables(other).keys()
    for name, table in tables(other).items():
        for column in table.column_names:
            mine, theirs = table[column].to_pylist(), tables(one)[name][column].to_pylist()
            if column in ("probabilities", "target", "weight"):
                mine, theirs = torch.tensor(mine), torch.tensor(theirs)
                torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4)
            else:
                assert mine == theirs, (name, column)


@pytest.fixture(scope="module")
def launched(raw, tmp_path_factory):
    """A run by accelerate's own launcher, and what was said."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "recipe.json").write_text(json.dumps(raw))
    command = [*LAUNCH, f"--main_process_port={free_port()}", "-m", "conlst", "run"]
    told = subprocess.run(
        [sys.executable, *command, folder / "recipe.json", "--out", folder / "run"],
        env=around(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert told.returncode == 0, told.stderr[-2000:]
    return folder, told


@pytest.mark.slow
class TestTwo:
    def test_come_to_what_one_comes_to(self, raw, launched, tmp_path):
        run = launched[0] / "run"
        conlst.run(copy.deepcopy(raw), out=tmp_path / "one", page=False)
        assert_alike(tmp_path / "one", run)
        for name in ("source", "contrastive", "self_training-1"):
            records = [
                json.loads((out / f"checkpoints/{name}/record.json").read_text())
                for out in (tmp_path / "one", run)
            ]
            for said in ("tokens", "steps", "warnings", "collapse", "verdict"):
                assert records[0][said] == records[1][said], (name, said)

    def test_speak_with_one_voice_and_leave_one_run(self, launched):
        run, said = launched[0] / "run", launched[1]
        assert said.stdout.count("Accuracy (%)") == 1
        warned = [line for line in said.stderr.splitlines() if line.startswith("warning: ")]
        assert len(warned) == len(set(warned))
        assert [file.name for file in run.rglob(".*")] == [".lock"]
        events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
        assert [event["event"] for event in events] == ["stage", "stage", "stage", "finished"]
        assert json.loads((run / "environment.json").read_text())["processes"] == 2

    def test_a_signal_to_one_stops_both_and_they_end_bit_for_bit_the_same(self, launched, tmp_path):
        recipe, whole = launched[0] / "recipe.json", launched[0] / "run"
        out = tmp_path / "run"
        stopping = (
            "import os, signal; from conlst import train; step = train._Loop._step\n"
            "def stopped(loop, start):\n"
            "    told = step(loop, start)\n"
            "    if os.environ['RANK'] == '1' and start == 2 and 'stage 1' in loop.what:\n"
            "        signal.raise_signal(signal.SIGINT)\n"
            "    return told\n"
            "train._Loop._step = stopped\n"
        )
        codes, said = two(tmp_path, stopping + COMMAND, "run", recipe, "--out", out)
        assert codes == [130, 130]
        assert "The same command goes on" in said[0][1]
        assert (out / "checkpoints/.contrastive.part.safetensors").is_file()
        codes, said = two(tmp_path, COMMAND, "run", recipe, "--out", out)
        assert codes == [0, 0], said
        for name in ("source", "contrastive", "self_training-1"):
            records = [
                json.loads((run / f"checkpoints/{name}/record.json").read_text())
                for run in (whole, out)
            ]
            assert records[0]["files"] == records[1]["files"], name

    def test_an_error_in_one_ends_both_with_one_message(self, source_alone, tmp_path):
        failing = (
            "import os; from conlst import bench; from conlst.errors import BadInput\n"
            "def broken(*given):\n"
            "    if os.environ['RANK'] == '1':\n"
            "        raise BadInput('the disk of the second is gone')\n"
            "    return accuracy(*given)\n"
            "accuracy, bench.Bench.source_accuracy = bench.Bench.source_accuracy, broken\n"
        )
        codes, said = two(
            tmp_path, failing + COMMAND, "run", source_alone, "--out", tmp_path / "run"
        )
        assert codes == [2, 2]
        assert said[0][1].strip().endswith("Error: the disk of the second is gone")
        assert said[1] == ["", ""]

    def test_one_that_is_killed_ends_the_other_with_a_message(self, source_alone, tmp_path):
        killed = (
            "import os, signal; from conlst import train; step = train._Loop._step\n"
            "def dying(loop, start):\n"
            "    if os.environ['RANK'] == '1' and start == 3:\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "    return step(loop, start)\n"
            "train._Loop._step = dying\n"
        )
        codes, said = two(
            tmp_path, killed + COMMAND, "run", source_alone, "--out", tmp_path / "run"
        )
        assert codes == [2, -9]
        assert "has ended without a word" in said[0][1]
        assert "Traceback" not in said[0][1]

    def test_where_one_is_short_of_memory_both_halve_and_fsdp_is_left_aside(
        self, source_alone, tmp_path
    ):
        short = (
            "import os, torch; from conlst import train; backward = train.Accelerator.backward\n"
            "left = [1] if os.environ['RANK'] == '1' else []\n"
            "def short(accelerator, loss, **more):\n"
            "    if left and left.pop():\n"
            "        raise torch.OutOfMemoryError('out of memory')\n"
            "    return backward(accelerator, loss, **more)\n"
            "train.Accelerator.backward = short\n"
        )
        fsdp = {"ACCELERATE_USE_FSDP": "true"}
        codes, said = two(
            tmp_path, short + COMMAND, "run", source_alone, "--out", tmp_path / "two", **fsdp
        )
        assert codes == [0, 0], said
        words = " ".join(said[0][1].split())
        assert words.count("batches go in parts of at most 4") == 1
        assert words.count("FSDP is configured") == 1
        assert said[1] == ["", ""]
        raw = json.loads(source_alone.read_text())
        conlst.run(raw, out=tmp_path / "one", page=False)
        assert_alike(tmp_path / "one", tmp_path / "two")


def test_a_run_goes_on_with_as_many_processes_as_it_began_with(source_alone, tmp_path):
    run = conlst.run(source_alone, out=tmp_path / "run", page=False).folder
    (run / "report.json").unlink()
    around = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(around | {"processes": 8}))
    with pytest.raises(BadInput, match="began with 8 processes and now has 1"):
        conlst.run(source_alone, out=run, page=False)


@pytest.mark.parametrize(("rows", "many"), [(8, 2), (7, 2), (3, 3), (11, 4)])
def test_shares_hold_every_row_once_and_gather_in_order(rows, many):
    lengths = torch.randint(1, 30, (rows,), generator=torch.Generator().manual_seed(rows))
    shares = Shares(lengths, many)
    assert sorted(row for share in shares.rows for row in share.tolist()) == list(range(rows))
    assert max(map(len, shares.rows)) - min(map(len, shares.rows)) <= 1
    padded = [share.tolist() + [-1] * (shares.most - len(share)) for share in shares.rows]
    whole = [row for share in padded for row in share]
    assert [whole[place] for place in shares.back.tolist()] == list(range(rows))
    tokens = [int(lengths[share].sum()) for share in shares.rows]
    assert max(tokens) - min(tokens) <= int(lengths.max())


def test_masks_of_each_are_its_own_and_what_comes_after_is_the_same_for_all(monkeypatch):
    drawn = []
    for number in (0, 1):
        monkeypatch.setattr(processes, "number", lambda number=number: number)
        torch.manual_seed(5)
        with own_chance(torch.device("cpu")):
            mask = torch.rand(8)
        drawn.append((mask.tolist(), torch.rand(8).tolist()))
    assert drawn[0][0] != drawn[1][0]
    assert drawn[0][1] == drawn[1][1]


def test_what_cuts_a_model_in_pieces_is_refused(source_alone, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(BadInput, match="a configuration for DeepSpeed"):
        conlst.run(source_alone, out=tmp_path / "run")


def test_only_run_takes_several_processes(source_alone, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    told = CliRunner().invoke(main, ["validate", str(source_alone)])
    assert told.exit_code == 2
    assert told.stderr == "Error: validate: found 2 processes; allowed: one\n"


def test_alone_nobody_is_waited_for():
    done = []
    processes.by_first(lambda: done.append("by the first"))
    processes.tell("nobody hears it")
    assert processes.after_first(lambda: done) == ["by the first"]
    assert processes.meet(2, 3) == [(2, 3)]
    processes.agree(lambda: pytest.fail("it is not asked for"), "they do not agree")
