"""What stages train on. There is no place in it for a label of a target language."""

from dataclasses import dataclass

import torch
from torch import Tensor

from conlst.arrays import Pool, Rows, Tokens
from conlst.model import Encoded


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled rows of the source language."""

    rows: Rows
    tokens: Tokens
    label: Tensor
    """int64[S]"""
    classes: tuple[str, ...]

    def one_hot(self, rows: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(self.label[rows], len(self.classes)).float()


@dataclass(frozen=True, eq=False)
class Target:
    """Unlabelled rows of the languages that are adapted together."""

    rows: Rows
    tokens: Tokens
    languages: tuple[str, ...]
    language: Tensor
    """int64[N]: index into `languages`."""
    group: Tensor
    """int64[N]: rows with the same id in several languages are translations of one another."""

    def pool(self, classes: tuple[str, ...], encoded: Encoded) -> Pool:
        """The rows as the model that gave `encoded` sees them."""
        return Pool(
            classes,
            self.rows.ids,
            self.languages,
            self.language,
            self.group,
            encoded.logits,
            encoded.logits.softmax(1),
            encoded.features,
        )


def target_of(rows: Rows, tokens: Tokens) -> Target:
    """Number the languages and the groups of rows that are adapted together."""
    languages = tuple(dict.fromkeys(rows.languages))
    code = {name: i for i, name in enumerate(languages)}
    groups: dict[str, int] = {}
    return Target(
        rows,
        tokens,
        languages,
        torch.tensor([code[name] for name in rows.languages]),
        torch.tensor([groups.setdefault(id, len(groups)) for id in rows.ids]),
    )
