"""The speed goals: statistics on arms that only pretend, the table, and that every goal runs."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
import torch

import conlst

BENCHMARKS = Path(conlst.__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)

from benchmarks import tables  # noqa: E402
from benchmarks.speed import GOALS, apart, flexmatch  # noqa: E402
from benchmarks.speed.reasons import REASONS  # noqa: E402
from benchmarks.speed.rounds import (  # noqa: E402
    Line,
    alternate,
    duration,
    ratios,
    times_faster,
    times_slower,
)
from benchmarks.speed.setting import Setting  # noqa: E402
from benchmarks.speed.table import _number, table  # noqa: E402

RESULTS = sorted((BENCHMARKS / "results").glob("speed-*.json"))


def test_every_goal_has_a_file_and_every_number_a_goal():
    assert sorted(GOALS.values()) == list(range(1, 11))
    for name in GOALS:
        text = (BENCHMARKS / f"speed/{name}.py").read_text(encoding="utf-8")
        assert text.startswith(f'"""Goal {GOALS[name]}: ')
        assert "\ndef measure(told: dict[str, Any])" in text
    assert all(told.keys() <= GOALS.keys() for told in REASONS.values())


def test_arms_take_turns_forwards_and_backwards_after_a_warm_up():
    order = []
    seconds = alternate({name: lambda n=name: order.append(n) for name in "ab"}, 3)
    assert order == list("ab" + "ab" + "ba" + "ab")
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_an_arm_is_timed_by_the_clock_or_tells_its_own_seconds():
    time = iter(range(100))
    arms = {"timed": lambda: None, "told": lambda: 7.0}
    seconds = alternate(arms, 2, clock=lambda: float(next(time)), warm_up=False)
    assert seconds == {"timed": [1.0, 1.0], "told": [7.0, 7.0]}


def test_ratios_are_taken_round_by_round():
    """The medians' ratio, 20 / 2, would hide that the peer is three times slower in each round."""
    seconds = {"peer": [3.0, 30.0, 6.0], "conlst": [1.0, 10.0, 2.0]}
    line = times_faster("", seconds, "peer", 3)
    assert line.values == ratios(seconds["peer"], seconds["conlst"]) == [3.0, 3.0, 3.0]
    assert times_slower("", seconds, "peer", 0.3).values == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    ("values", "asked", "bound", "verdict"),
    [
        ([11, 12, 90], 12, ">=", "met"),
        ([11, 11.9, 90], 12, ">=", "missed"),
        ([0.1, 1.08, 5], 1.08, "<=", "met"),
        ([0.1, 1.09, 5], 1.08, "<=", "missed"),
    ],
)
def test_the_median_is_judged(values, asked, bound, verdict):
    line = Line("", "", "", values, asked, bound)
    assert (line.verdict, line.json()["verdict"]) == (verdict, verdict)
    told = line.json()
    assert (told["low"], told["value"], told["high"]) == (values[0], median(values), values[2])


def test_figures_for_the_eye():
    assert [duration(s) for s in (1.2e-5, 0.25, 12)] == ["12 us", "250 ms", "12 s"]
    assert [_number(v) for v in (11.8374, 0.4512, 1e-5, 1234.5)] == [
        "11.8",
        "0.451",
        "1e-05",
        "1234",
    ]


def result(*lines):
    goal = {"lines": [line.json() for line in lines], "seconds": 1, "date": "2026-01-01"}
    machine = {"cpu": "some CPU", "cores": 2, "threads": 1, "simd": "AVX2"}
    return {
        "host": "cpu",
        "machine": machine | {"gemm_gflops": {"fp32": 66.0, "bf16": 198.0}},
        "versions": {"torch": "2"},
        "setting": {"bed": False, "seed": 13, "rounds": 3},
        "goals": {"draws": goal},
    }


def test_the_table_says_what_was_measured_asked_and_missed():
    met = Line("a draw", "numpy: 1 ms", "conlst: 9 us", [8.0, 9.0, 10.0], 20, "<=", "us")
    missed = Line("grows", "conlst", "conlst", [3.0], 2.5, "<=")
    text = table(result(met, missed), {"cpu": {"draws": "the cache is small."}})
    assert "| 6 | a draw | numpy: 1 ms | conlst: 9 us | <= 20 us | 9 us (8 to 10) | met |" in text
    assert "| 6 | grows | conlst | conlst | <= 2.5x | 3x | **missed** |" in text
    assert "66 GF/s in fp32 and 198 GF/s in bf16" in text
    assert text.endswith("Goal 6 misses 1 of 2 lines: the cache is small.")
    assert "misses" not in table(result(met), {"cpu": {"draws": "long mended."}})


def test_the_readme_holds_the_table_of_the_results():
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    assert tables.put(readme, "speed", tables.every()["speed"]) == readme


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.name)
def test_a_result_says_where_it_is_from_and_judges_by_its_figures(path):
    kept = json.loads(path.read_text())
    assert kept["machine"].keys() >= {"cpu", "cores", "threads", "torch_build", "gemm_gflops"}
    assert kept["versions"].keys() >= {"torch", "transformers", "sentence-transformers"}
    assert '": "/' not in path.read_text()
    for name, goal in kept["goals"].items():
        for line in goal["lines"]:
            fields = ("what", "peer", "ours", "values", "asked", "bound", "unit")
            assert Line(**{field: line[field] for field in fields}).json() == line
        if any(line["verdict"] == "missed" for line in goal["lines"]):
            assert name in REASONS[kept["host"]], f"{name} is missed: say why in speed/reasons.py"


def test_a_function_apart_returns_its_answer_and_a_peak_of_its_own():
    ballast = torch.ones(60_000_000)  # 240 MB that the child must not be charged with
    answer, peak = apart.run("benchmarks.speed.rounds", "duration", seconds=0.25)
    assert (answer, len(ballast)) == ("250 ms", 60_000_000)
    assert 1e6 < peak < 150e6


@pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
def test_flexmatch_and_its_peer_keep_the_same_rows():
    flexmatch._same_masks(300, seed=1)


@pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
def test_flexmatch_peer_that_forgets_is_found_out(monkeypatch):
    class Forgets(flexmatch.Counting):
        def step(self, pool):
            self.last_N.fill_(-1)
            return super().step(pool)

    monkeypatch.setattr(flexmatch, "Counting", Forgets)
    with pytest.raises(AssertionError, match="different rows"):
        flexmatch._same_masks(300, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOALS)
def test_every_goal_runs_on_tiny_sizes(name):
    if name == "labelling":
        pytest.importorskip("sentence_transformers", reason="the extra `bench` is not installed")
    if name == "vocabulary":
        pytest.importorskip("conlst.vocabulary")
    told = Setting(quick=True, rounds=1).json()
    lines, _ = apart.run(f"benchmarks.speed.{name}", "measure", told=told)
    assert lines
    assert all(line["verdict"] in ("met", "missed") for line in lines)


def test_the_command_refuses_an_unknown_goal():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", "warp"],
        cwd=BENCHMARKS.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "labelling" in done.stderr
