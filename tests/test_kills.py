"""A short turn of `python -m benchmarks.faults --kills`: real processes, killed anywhere."""

from pathlib import Path

import pytest

import conlst

if not (Path(conlst.__file__).parents[1] / "benchmarks").is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)

from benchmarks.faults import bed, kills


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
