"""Where the training of a model stands: weights, moments, chance, each to be put aside."""

from typing import Any

import torch
from torch import Tensor

from conlst.model import Classifier


class Weights:
    """All that a model holds, and the tokens it has counted."""

    def __init__(self, model: Classifier) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        """Everything by its name; what parts hold begins with `parts/`."""
        parts = {f"parts/{name}": value for name, value in self.model.parts_state().items()}
        return {**self._held(), **parts, "counts": self.model.counts}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """In place: the optimiser knows these very tensors."""
        for name, value in self._held().items():
            value.copy_(state[name])
        parts = {n.removeprefix("parts/"): v for n, v in state.items() if n.startswith("parts/")}
        self.model.load_parts(parts)
        self.model.counts = tuple(state["counts"])

    def _held(self) -> dict[str, Tensor]:
        model = self.model
        named = [*model.named_parameters(), *model.named_buffers()]  # none twice, if it is tied
        return {name: value for name, value in named if not name.startswith("parts.")}


class Moments:
    """What an optimiser remembers of each parameter, by the parameter's name."""

    def __init__(self, model: Classifier, optimizer: torch.optim.Optimizer) -> None:
        self.model, self.optimizer = model, optimizer

    def state_dict(self) -> dict[str, Tensor]:
        return {
            f"{name}/{kind}": value
            for name, parameter in self.model.named_parameters()
            for kind, value in self.optimizer.state.get(parameter, {}).items()
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        named = dict(self.model.named_parameters())
        for place, value in state.items():
            name, _, kind = place.rpartition("/")
            parameter = named[name]
            self.optimizer.state[parameter][kind] = value.to(parameter.device)


class Chance:
    """The generators of a stage: its own, torch's for all, and that of the device that computes."""

    def __init__(self, own: torch.Generator, device: torch.device) -> None:
        self.own, self.device = own, device

    def state_dict(self) -> dict[str, Tensor]:
        states = {"own": self.own.get_state(), "all": torch.get_rng_state()}
        if self.device.type != "cpu":
            states["device"] = torch.get_device_module(self.device).get_rng_state()
        return states

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.own.set_state(state["own"])
        torch.set_rng_state(state["all"])
        if self.device.type != "cpu":
            torch.get_device_module(self.device).set_rng_state(state["device"])
