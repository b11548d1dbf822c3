"""Several processes must come to what one comes to: the same decisions, numbers within 1e-4.

A recipe without dropout, whose masks nothing could compare, runs in one process and in two or three
(gloo, on the CPU), and the two runs are compared: every pseudo-label, selection and prediction, all
probabilities and weights. The biases of attention keys are left out: softmax takes no notice of
them, so that their gradient is rounding alone, which Adam makes steps of.
"""

import json
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file

from benchmarks.faults import command
from benchmarks.faults.whole import to_the_end

Json = dict[str, Any]
NEAR = 1e-4


def measure(many: int, seed: int, recipes: Mapping[str, Json], folder: Path) -> Json:
    """Compare so many runs of these recipes, in turn, each with a seed of its own.

    Returns:
        `asked`; `survived`, runs that came to the same; `where`, how many ran in how many
        processes; `differing`, what is wrong with the others; `furthest`, the largest distance of
        two numbers.
    """
    where, differing, furthest = Counter[str](), list[str](), 0.0
    for number in range(many):
        recipe = _still(list(recipes.values())[number % len(recipes)]) | {"seed": seed + number}
        file, several = folder / f"same-{number}.json", 2 + number // len(recipes) % 2
        file.write_text(json.dumps(recipe), encoding="utf-8")
        one, other = folder / f"one-{number}", folder / f"several-{number}"
        to_the_end(file, one)
        _in_several(file, other, several)
        where[f"{recipe['name']} in {several} processes"] += 1
        distances = dict(_distances(one, other))
        furthest = max(furthest, *distances.values())
        wrong = [name for name, distance in distances.items() if distance > NEAR]
        differing += [f"{file.stem}, {several} processes: {wrong[0]}"] if wrong else []
    told = {"asked": many, "survived": many - len(differing), "where": dict(sorted(where.items()))}
    return told | {"differing": differing, "furthest": furthest}


def _still(recipe: Json) -> Json:
    """The recipe, with its encoder's dropout at 0."""
    config = Path(recipe["model"]["name"]) / "config.json"
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config.write_text(json.dumps(json.loads(config.read_text()) | none), encoding="utf-8")
    return recipe


def _in_several(recipe: Path, out: Path, many: int) -> None:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        port = some.getsockname()[1]
    place = {"WORLD_SIZE": many, "LOCAL_WORLD_SIZE": many, "OMP_NUM_THREADS": 1}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    said = out.with_suffix(".txt")
    running = [
        command.begun(recipe, out, said, around=place | {"RANK": number, "LOCAL_RANK": number})
        for number in range(many)
    ]
    for process in running:
        process.join()
    if codes := [process.exitcode for process in running if process.exitcode]:
        raise RuntimeError(f"{out.name} ended with {codes}: {said.read_text()[-2000:]}")


def _distances(one: Path, other: Path) -> Iterator[tuple[str, float]]:
    """By what is compared: how far two numbers are apart; of what is no number, infinitely or not.

    What only one of the runs has is infinitely far away, too.
    """
    for file in sorted({path.relative_to(run) for run in (one, other) for path in _files(run)}):
        if not ((one / file).is_file() and (other / file).is_file()):
            yield str(file), float("inf")
        elif file.suffix == ".parquet":
            yield from _of_tables(str(file), pq.read_table(one / file), pq.read_table(other / file))
        else:
            mine, theirs = load_file(one / file), load_file(other / file)
            for name in mine:
                if not name.endswith("attention.self.key.bias"):
                    yield f"{file}: {name}", float((mine[name] - theirs[name]).abs().max())


def _files(run: Path) -> list[Path]:
    tables = [*run.glob("pseudo_labels/*.parquet"), *run.glob("predictions/*.parquet")]
    return [*tables, *run.rglob("*.safetensors")]


def _of_tables(file: str, one: Any, other: Any) -> Iterator[tuple[str, float]]:
    for name in one.column_names:
        mine, theirs = one[name].to_pylist(), other[name].to_pylist()
        if name in ("probabilities", "target", "weight"):
            distance = float((torch.tensor(mine) - torch.tensor(theirs)).abs().max())
        else:
            distance = 0.0 if mine == theirs else float("inf")
        yield f"{file}: {name}", distance
