"""A stage is put aside while it trains, so that a run that was killed goes on inside it.

What a stage draws before it trains (who is confident, who was selected, the batches) is drawn anew
from its seed. Put aside is what cannot be: weights, moments, chance, what parts have learnt or
remember, and how far it came. All is one file of safetensors, never a pickle, which is replaced in
one step and holds the SHA-256 of its content. One that is torn, was altered or is of other
beginnings is not taken up: the stage then begins anew, which costs time only.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from conlst import processes
from conlst.errors import BadInput
from conlst.folder import RunFolder
from conlst.progress import Progress

EVERY = 300.0
"""Seconds from one to the next."""
SHARE = 0.01
"""Of the time that they may take: where writing is slow, they are rarer."""
TOLD = "conlst"
"""The entry of the file's header that holds all that is no tensor."""

States = Mapping[str, Mapping[str, Any]]


class Stateful(Protocol):
    """What has a state to put aside: tensors and JSON, by name."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> Any: ...


class Snapshot:
    """The state of one stage, in a hidden file beside the folder that it will be kept in.

    Args:
        folder: the run folder; None: nothing is put aside.
        place: the stage's own, in the run folder.
        progress: told where a stage is taken up.
    """

    def __init__(
        self, folder: RunFolder | None = None, place: str = "", progress: Progress | None = None
    ) -> None:
        self.folder, self.progress = folder, progress or Progress()
        before, _, name = place.rpartition("/")
        self.file = f"{before}/.{name}.part.safetensors"
        self.things: dict[str, Stateful] = {}
        self._due = 0.0

    @property
    def exists(self) -> bool:
        return self.folder is not None and (self.folder.path / self.file).is_file()

    def keep(self, **things: Stateful) -> None:
        """Have the state of these put aside too, under names that are the same in every run."""
        self.things |= things

    def take_up(self, what: str, of: str) -> None:
        """Give everything the state that was put aside, if one was.

        Args:
            what: the stage, for people.
            of: names what the stage began with; a snapshot of another is passed over.
        """
        self._due = time.monotonic() + EVERY
        if self.folder is None or not self.exists:
            return
        path = self.folder.path / self.file
        try:
            tensors, told = _read(str(path))
        except (OSError, SafetensorError, ValueError, LookupError) as error:
            self._passed_over(what, f"it is torn or was altered ({error})")
            return
        if told["of"] != of or told["plain"].keys() != self.things.keys():
            self._passed_over(what, "it began otherwise, with other rows, code or versions")
            return
        states: dict[str, dict[str, Any]] = told["plain"]
        for key, value in tensors.items():
            thing, _, name = key.partition("/")
            states[thing][name] = value
        for thing, state in states.items():
            self.things[thing].load_state_dict(state)
        self.progress.say(f"{what}: going on after batch {told['done']} of {told['all']}")

    def _passed_over(self, what: str, why: str) -> None:
        self.progress.warn(f"{what} begins anew: {self.file} cannot be taken up, {why}")

    @property
    def due(self) -> bool:
        return self.folder is not None and time.monotonic() >= self._due

    def take(self, of: str, done: int, all: int) -> None:
        """Put everything aside. A disk that gives up does not end the stage.

        Args:
            of: what the stage began with.
            done: batches.
            all: how many there are.
        """
        if self.folder is None:
            return
        start, states = time.monotonic(), self._states()
        told = {"of": of, "done": done, "all": all}
        try:
            processes.by_first(lambda: self._write(states, told))
        except BadInput as error:
            self.progress.warn(f"the stage cannot be put aside while it trains: {error}")
        now = time.monotonic()
        self._due = now + max(EVERY, (now - start) / SHARE)

    def _write(self, states: States, told: dict[str, Any]) -> None:
        assert self.folder is not None
        tensors, told["plain"] = _split(states)
        text = json.dumps(told | {"sha256": _digest(tensors, told)})
        self.folder.write(self.file, lambda path: save_file(tensors, path, {TOLD: text}))

    def _states(self) -> States:
        return {name: thing.state_dict() for name, thing in self.things.items()}

    def digest(self) -> str:
        """Of everything but the time it took: processes at the same place have the same."""
        tensors, plain = _split(self._states())
        plain.pop("watch", None)
        return _digest(tensors, plain)

    def let_go(self) -> None:
        """Of all that was to be put aside, when its training is over."""
        self.things.clear()

    def remove(self) -> None:
        """Once the stage is whole."""
        if self.folder is not None and processes.number() == 0:
            (self.folder.path / self.file).unlink(missing_ok=True)


def _split(states: States) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """Tensors by `thing/name`, each in memory of its own on the CPU; and the rest, by thing."""
    tensors, plain = {}, {thing: dict[str, Any]() for thing in states}
    for thing, state in states.items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{thing}/{name}"] = value.detach().cpu().contiguous()
            else:
                plain[thing][name] = value
    return tensors, plain


def _read(path: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, what is no tensor) of a file, if it is whole.

    Raises:
        ValueError: it is not, in one way or another.
    """
    with safe_open(path, framework="pt") as file:
        told = json.loads((file.metadata() or {})[TOLD])
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    if told.pop("sha256") != _digest(tensors, told):
        raise ValueError("its SHA-256 is another")
    return tensors, told


def _digest(tensors: Mapping[str, Tensor], told: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
