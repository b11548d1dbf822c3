"""Whole runs on data that is odd but allowed: they end in a report, not in a traceback."""

import json
from pathlib import Path

import pytest

import conlst

SWAHILI = ["Timu ilishinda mechi", "Kura zilihesabiwa jana", "Mlima mrefu"]


def pool(place, texts):
    lines = [f"{n}\t{text}" for n, text in enumerate(texts)]
    place.write_text("\n".join(["id\ttext", *lines]) + "\n", encoding="utf-8")
    return str(place)


@pytest.mark.slow
@pytest.mark.parametrize("augment", ["masking", "mixup"])
@pytest.mark.parametrize(
    "texts",
    [
        SWAHILI[:1],
        [f"{SWAHILI[n % 3]} {n}" for n in range(10)],
        ["neno " * 200_000, *SWAHILI],
        ["a\0b", "\x1b[2J", "😀", "体育", "\u202eabc"],
        [SWAHILI[0]] * 9,
    ],
    ids=["one row", "ten rows", "a million characters", "odd characters", "the same text"],
)
def test_a_run_on_it_ends(recipe, tmp_path, texts, augment):
    recipe["data"].update(languages=["sw"], targets={})
    recipe["data"]["each"].pop("pool_gold")
    recipe["data"]["each"]["unlabelled"] = {"path": pool(tmp_path / "sw.tsv", texts)}
    recipe["source"]["epochs"] = recipe["self_training"]["iterations"] = 1
    recipe["contrastive"]["confident"]["threshold"] = 0.2
    recipe["self_training"]["selector"]["threshold"] = 0.2
    recipe["self_training"]["augment"] = {"type": augment}
    report = conlst.run(recipe, out=tmp_path / "run")
    assert report.data["finished"]
    assert json.loads((Path(report.folder) / "report.json").read_text())["finished"]
