"""A short turn of `python -m benchmarks.faults --kills`: real processes, killed anywhere."""

import json
from pathlib import Path

import pytest

import conlst

if not (Path(conlst.__file__).parents[1] / "benchmarks").is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)

from benchmarks.faults import bed, disks, kills
from benchmarks.faults.table import table


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_bit_for_bit_where_it_would_have_ended(tmp_path):
    recipe = bed.recipes(tmp_path)["remembering"]
    told = kills.measure(4, 3, {"remembering": recipe}, tmp_path)
    assert told["differing"] == []
    assert (told["survived"], sum(told["where"].values())) == (4, 4)


def test_a_difference_is_found_wherever_it_is():
    one = {"files": {"source": {"a": "1", "b": "2"}}, "report": [1, {"x": 2}]}
    assert kills.difference(one, one) is None
    other = {"files": {"source": {"a": "1", "b": "3"}}, "report": [1, {"x": 2}]}
    assert kills.difference(one, other) == "/files/source/b"
    assert kills.difference(one, one | {"report": [1, {"x": 3}]}) == "/report"
    assert kills.difference(one, {"files": {}}) == "/"


@pytest.mark.slow
def test_a_disk_that_gives_up_is_one_message_and_the_run_goes_on(tmp_path):
    told = disks.measure(2, 5, {"offline": bed.recipes(tmp_path)["offline"]}, tmp_path)
    assert told["differing"] == []
    assert (told["survived"], sum(told["where"].values())) == (2, 2)


def test_the_table_says_what_was_tried_and_survived(tmp_path):
    assert table(tmp_path) == ""
    line = {"asked": 9, "survived": 8, "where": {"source": 4, "report": 5}}
    (tmp_path / "faults.json").write_text(json.dumps({"kills": line, "others": line}))
    rows = table(tmp_path).splitlines()[2:]
    assert rows[0].endswith("begun again | 9 | 8 | source 4, report 5 |")
    assert rows[1].startswith("| others | 9 |")
