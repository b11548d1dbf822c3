"""What stages train on. There is no place in it for a label of a target language."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from conlst import data
from conlst.arrays import Pool, Rows, Tokens
from conlst.predict import Labelled
from conlst.stages.branch import Batch


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled rows: of the source language, and what was translated from it."""

    rows: Rows
    tokens: Tokens
    label: Tensor
    """int64[S]"""
    classes: tuple[str, ...]
    language: Tensor
    """int64[S]: index into the run's languages."""

    def one_hot(self, rows: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(self.label[rows], len(self.classes)).float()

    def batch(self, rows: Tensor) -> Batch:
        """Some rows with their labels."""
        return Batch(self.rows, self.tokens, rows, self.one_hot(rows), self.language[rows])


@dataclass(frozen=True, eq=False)
class Target:
    """Unlabelled rows of the languages that are adapted together."""

    rows: Rows
    tokens: Tokens
    languages: tuple[str, ...]
    """The run's, the source's first."""
    language: Tensor
    """int64[N]: index into `languages`."""
    group: Tensor
    """int64[N]: rows with the same id in several languages are translations of one another."""

    def batch(self, rows: Tensor, target_BC: Tensor) -> Batch:
        """Some rows with what they are taken for."""
        return Batch(self.rows, self.tokens, rows, target_BC, self.language[rows])

    def pool(self, classes: tuple[str, ...], said: Labelled) -> Pool:
        """The rows as the model that said so sees them."""
        return Pool(
            classes,
            self.rows.ids,
            self.languages,
            self.language,
            self.group,
            said.logits_NC,
            said.probs_NC,
            said.features_ND,
        )


def source_of(read: data.Labelled, tokens: Tokens, languages: Sequence[str]) -> Source:
    """Number the languages of labelled rows."""
    return Source(read.rows, tokens, read.label, read.classes, _numbered(read.rows, languages))


def target_of(rows: Rows, tokens: Tokens, languages: Sequence[str]) -> Target:
    """Number the languages and the groups of rows that are adapted together."""
    groups: dict[str, int] = {}
    return Target(
        rows,
        tokens,
        tuple(languages),
        _numbered(rows, languages),
        torch.tensor([groups.setdefault(id, len(groups)) for id in rows.ids]),
    )


def _numbered(rows: Rows, languages: Sequence[str]) -> Tensor:
    """int64[N]: the language of each row, as its place among `languages`."""
    code = {name: i for i, name in enumerate(languages)}
    return torch.tensor([code[name] for name in rows.languages])
