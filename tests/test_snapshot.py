"""A stage that is cut off goes on from what was put aside, and ends where it would have ended."""

import math
import signal
import time
import warnings

import pytest
import torch

from conlst import snapshot
from conlst.arrays import LossInput, Rows, Sizes
from conlst.errors import BadInput, ConlstWarning
from conlst.folder import RunFolder
from conlst.losses import losses
from conlst.model import load
from conlst.negatives import MemoryBank
from conlst.outcome import Outcome, watched
from conlst.progress import Progress
from conlst.recipe import Model, Optimisation
from conlst.selectors import FlexMatch
from conlst.snapshot import Snapshot
from conlst.stages.curve import Curve
from conlst.stages.encoded import Negatives
from conlst.stages.material import target_of
from conlst.testing import random_pool
from conlst.tokens import EndlessBatches
from conlst.train import Term, Tools, accelerator, generator_for, optimise
from conlst.vocabulary import occurring
from tests.conftest import TOPICS

TEXTS = ["The sea is blue.", "Ils ont voté hier", "Maji", "a b c", "x", "Il pleut", "one", "two"]
ROWS = Rows([*"12345678"], TEXTS, None, ["en", "fr", "sw", "en", "en", "fr", "en", "en"])
SETTINGS = {"epochs": 1, "learning_rate": 0.01, "warmup": 0.3}


class Cut(Exception):
    """As sudden as a power cut."""


class Stage:
    """Six batches of texts through the encoder, with dropout, and a loss that learns."""

    def __init__(self, encoder, folder, settings=(), compact=False):
        torch.manual_seed(0)
        self.model = load(Model(name=str(encoder), max_length=16), TOPICS)
        self.tokens = self.model.tokenise(ROWS)
        self.loss = self.model.built(losses.validate({"type": "leu"}))
        self.said, self.warned = [], []
        progress = Progress()
        progress.say, progress.warn = self.said.append, self.warned.append
        held = (lambda: self.held()) if compact else lambda: None
        self.tools = Tools(
            accelerator("fp32"),
            generator_for(0, "stage"),
            progress,
            occurring_V=held,
            snapshot=Snapshot(RunFolder(folder), "checkpoints/stage", progress),
        )
        self.settings = Optimisation.model_validate(SETTINGS | dict(settings))

    def held(self):
        V = self.model.network.get_input_embeddings().num_embeddings
        return occurring([self.tokens], self.model.tokenizer, V)

    def train(self, until=None, batches=6):
        g = self.tools.generator
        gold = torch.nn.functional.one_hot(torch.arange(8) % 3, 3).float()
        order = [torch.randperm(8, generator=g)[:4] for _ in range(batches)]

        def terms(rows, progress):
            out = self.model.encode(self.tokens, rows)
            noise = torch.rand(len(rows), generator=g)
            x = LossInput(out.logits, gold[rows], features=out.features, progress=progress)
            return [Term("leu", self.loss(x)), Term("noise", out.logits.sum(1) * noise, 0.1)]

        def cut(step):
            if step == until:
                raise Cut

        means = optimise(self.model, [order], terms, self.settings, self.tools, "stage", cut)
        return means, self.model.state_dict()


@pytest.fixture
def always(monkeypatch):
    """Put aside after every step."""
    monkeypatch.setattr(snapshot, "EVERY", 0.0)
    monkeypatch.setattr(snapshot, "SHARE", math.inf)


def equal(one, other):
    (means, weights), (other_means, other_weights) = one, other
    return means == other_means and all(
        torch.equal(value, other_weights[name]) for name, value in weights.items()
    )


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    ("settings", "compact", "kept"),
    [
        ({}, False, 3),
        ({"optimizer": "adam", "weight_decay": 0.0}, False, 3),
        ({"accumulate": 2}, False, 2),
        ({}, True, 3),
    ],
    ids=["adamw", "adam", "accumulated", "compact vocabulary"],
)
def test_a_stage_that_is_cut_off_ends_bit_for_bit_where_it_would_have_ended(
    tiny_encoder, tmp_path, settings, compact, kept
):
    def stage(name):
        return Stage(tiny_encoder, tmp_path / name, settings, compact)

    whole = stage("whole").train()
    with pytest.raises(Cut):
        stage("cut").train(until=4)
    again = stage("cut")
    assert equal(again.train(), whole)
    assert again.said == [f"stage: going on after batch {kept} of 6"]
    assert again.warned == []


@pytest.mark.usefixtures("always")
def test_a_learning_loss_that_was_not_there_yet_is_given_what_it_had_learnt(tiny_encoder, tmp_path):
    with pytest.raises(Cut):
        (cut := Stage(tiny_encoder, tmp_path)).train(until=4)
    state = snapshot._read(str(tmp_path / cut.tools.snapshot.file))[0]
    again = load(Model(name=str(tiny_encoder), max_length=16), TOPICS)
    learnt = "weights/parts/"
    again.load_parts({n.removeprefix(learnt): v for n, v in state.items() if n.startswith(learnt)})
    built = again.built(losses.validate({"type": "leu"})).state_dict()
    assert built
    for name, value in built.items():
        (there,) = (v for n, v in state.items() if n.startswith(learnt) and n.endswith(f"/{name}"))
        assert torch.equal(value, there)


@pytest.mark.usefixtures("always")
@pytest.mark.filterwarnings("ignore:stage. memory ran out")
def test_halved_batches_stay_halved(tiny_encoder, tmp_path):
    first = Stage(tiny_encoder, tmp_path)
    loss, sizes = first.loss, []

    def bounded(x):
        sizes.append(len(x.logits))
        if len(x.logits) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(x)

    first.loss = bounded
    with pytest.raises(Cut):
        first.train(until=3)
    again = Stage(tiny_encoder, tmp_path)
    loss, first_sizes, sizes = again.loss, sizes, []
    again.loss = bounded
    again.train()
    assert max(first_sizes) == 4
    assert set(sizes) == {2}


@pytest.mark.usefixtures("always")
def test_a_torn_or_altered_snapshot_is_named_and_the_stage_begins_anew(tiny_encoder, tmp_path):
    whole = Stage(tiny_encoder, tmp_path / "whole").train()
    with pytest.raises(Cut):
        (cut := Stage(tiny_encoder, tmp_path)).train(until=4)
    file = tmp_path / cut.tools.snapshot.file
    content = bytearray(file.read_bytes())
    content[-3] ^= 1  # in some tensor
    for damaged in (content, content[: len(content) // 2], b""):
        file.write_bytes(damaged)
        again = Stage(tiny_encoder, tmp_path)
        assert equal(again.train(), whole)
        (why,) = again.warned
        assert "checkpoints/.stage.part.safetensors cannot be taken up, it is torn or was" in why


@pytest.mark.usefixtures("always")
def test_a_snapshot_of_other_beginnings_is_passed_over(tiny_encoder, tmp_path):
    with pytest.raises(Cut):
        Stage(tiny_encoder, tmp_path).train(until=4)
    other = Stage(tiny_encoder, tmp_path)
    other.train(batches=5)
    assert "it began otherwise" in other.warned[0]
    assert other.said == []


def test_snapshots_are_minutes_apart_and_rarer_where_writing_is_slow(monkeypatch, tmp_path):
    clock, wrote = [0.0], []
    monkeypatch.setattr(snapshot.time, "monotonic", lambda: clock[0])

    def write(self, name, make):
        wrote.append(clock[0])
        clock[0] += 10.0

    monkeypatch.setattr(RunFolder, "write", write)
    kept = Snapshot(RunFolder(tmp_path), "checkpoints/stage")
    kept.take_up("stage", "")
    while clock[0] < 3000:
        if kept.due:
            kept.take("", 1, 2)
        clock[0] += 1.0
    assert wrote == [300.0, 1310.0, 2320.0]  # ten seconds each: 1 % of the time


@pytest.mark.usefixtures("always")
def test_a_full_disk_does_not_end_a_stage(tiny_encoder, tmp_path, monkeypatch):
    whole = Stage(tiny_encoder, tmp_path / "whole").train()

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot, "save_file", full)
    stage = Stage(tiny_encoder, tmp_path)
    assert equal(stage.train(), whole)
    assert "cannot be put aside" in stage.warned[0]
    assert "No space left on device" in stage.warned[0]
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.usefixtures("always")
def test_what_is_no_number_is_not_put_aside(tiny_encoder, tmp_path):
    stage = Stage(tiny_encoder, tmp_path)
    stage.loss = lambda x: x.logits.sum(1) * math.nan
    with pytest.raises(BadInput, match="the loss 'leu' is nan at step 1"):
        stage.train()
    assert not stage.tools.snapshot.exists


# Asked to stop


def test_ctrl_c_waits_until_the_step_is_whole_and_put_aside(tiny_encoder, tmp_path):
    whole = Stage(tiny_encoder, tmp_path / "whole").train()
    stage = Stage(tiny_encoder, tmp_path)
    loss, asked = stage.loss, []

    def interrupted(x):
        asked.append(x.progress)
        if len(asked) == 3:
            signal.raise_signal(signal.SIGINT)
        return loss(x)

    stage.loss = interrupted
    with pytest.raises(KeyboardInterrupt):
        stage.train()
    again = Stage(tiny_encoder, tmp_path)
    assert equal(again.train(), whole)
    assert again.said == ["stage: going on after batch 3 of 6"]


def test_asked_twice_it_stops_at_once(tiny_encoder, tmp_path):
    stage = Stage(tiny_encoder, tmp_path)

    def interrupted(x):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    stage.loss = interrupted
    with pytest.raises(KeyboardInterrupt):
        stage.train()
    assert not stage.tools.snapshot.exists


def test_a_handler_that_does_not_stop_the_run_is_called_and_the_run_goes_on(tiny_encoder, tmp_path):
    whole = Stage(tiny_encoder, tmp_path / "whole").train()
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        stage = Stage(tiny_encoder, tmp_path)
        loss = stage.loss

        def told(x):
            if not heard:
                signal.raise_signal(signal.SIGTERM)
            return loss(x)

        stage.loss = told
        assert equal(stage.train(), whole)
        assert heard == [signal.SIGTERM]
        assert stage.tools.snapshot.exists
    finally:
        signal.signal(signal.SIGTERM, before)


# What else has a state


def test_a_stream_goes_on_in_the_middle_of_an_epoch():
    lengths = torch.arange(1, 30)

    def stream():
        return EndlessBatches(lengths, 4, generator=torch.Generator().manual_seed(5))

    for taken in (0, 1, 7, 8, 11):
        whole, again = stream(), stream()
        for _ in range(taken):
            next(whole)
        again.generator.set_state(whole.generator.get_state())
        again.load_state_dict(whole.state_dict())
        for _ in range(20):
            assert torch.equal(next(again), next(whole))


def test_a_memory_of_negatives_and_their_census_go_on():
    pool = random_pool(N=40, seed=3)
    sampler, outputs = MemoryBank(count=3, momentum=0.5), torch.randn(40, 4)

    def negatives():
        made = Negatives(sampler.build(pool), pool)
        made.drawer.remember(torch.arange(20), outputs[:20])
        return made

    first, again = negatives(), negatives()
    anchors = torch.arange(6)
    complement = torch.nn.functional.one_hot((pool.pseudo_label[anchors] + 1) % 3, 3).bool()
    first.drawer.remember(torch.arange(10, 30), -outputs[10:30])
    first.draw(anchors, complement, generator=torch.Generator().manual_seed(1))
    again.load_state_dict(first.state_dict())
    assert again.census() == first.census()
    assert torch.equal(*(n.drawer.recall(torch.arange(30)) for n in (first, again)))
    drawn = [
        n.draw(anchors, complement, generator=torch.Generator().manual_seed(2))
        for n in (first, again)
    ]
    assert torch.equal(*drawn)


@pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
def test_online_thresholds_go_on_counting():
    pool = random_pool(seed=4, N=60)
    built = [FlexMatch(threshold=0.5).build(Sizes(len(pool.classes), 8, (), 60)) for _ in range(2)]
    first, again = built
    for rows in torch.arange(40).split(10):
        first(pool.take(rows), generator=None)
    again.load_state_dict(first.state_dict())
    for rows in torch.arange(20, 60).split(10):
        one, other = (each(pool.take(rows), generator=None) for each in built)
        assert torch.equal(one.index, other.index)
    assert torch.equal(first.count, again.count)


def test_the_points_of_a_curve_stay_in_their_order(tiny_encoder):
    model = load(Model(name=str(tiny_encoder), max_length=16), TOPICS)
    target = target_of(ROWS, model.tokenise(ROWS), ["en", "fr", "sw"])
    first, again = Curve(model, target), Curve(model, target)
    assert first.table() is None
    for step in (0, 9, 10):
        first.observe(step)
    again.observe(0)
    again.load_state_dict(dict(reversed(first.state_dict().items())))
    assert again.table().equals(first.table())
    assert again.table()["step"].to_pylist() == [0] * 8 + [9] * 8 + [10] * 8


def test_a_stage_still_tells_what_it_warned_of_and_how_long_it_took():
    with watched(Outcome({})) as watch:
        warnings.warn("early", ConlstWarning, stacklevel=1)
        warnings.warn("late", ConlstWarning, stacklevel=1)
        state = watch.state_dict() | {"seconds": 100.0}
    with watched(again := Outcome({})) as watch:
        warnings.warn("early", ConlstWarning, stacklevel=1)
        watch.load_state_dict(state)
        time.sleep(0.01)
    assert again.warnings == ["early", "late"]
    assert 100 < again.seconds < 110
