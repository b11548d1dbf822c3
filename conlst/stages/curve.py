"""What the model says of some pool rows while stage 1 trains (Fig. 5)."""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from conlst.model import Classifier
from conlst.predict import label
from conlst.progress import Progress
from conlst.stages.material import Target

ROWS = 500
"""Of each language, at most."""


class Curve:
    """Labels of evenly spaced rows of every language, at each step that it is shown."""

    def __init__(self, model: Classifier, target: Target) -> None:
        self.model = model
        rows = _spread(target)
        self.rows, self.tokens = target.rows.take(rows.tolist()), target.tokens.take(rows)
        self.points: dict[int, Tensor] = {}
        """int64[n] by step."""

    def observe(self, step: int) -> None:
        said = label(self.model, self.tokens, Progress(), "the curve of stage 1")
        self.points[step] = said.logits_NC.argmax(1)

    def table(self) -> pa.Table | None:
        """A line a row and step; None if it was never shown any."""
        if not self.points:
            return None
        ids, many = self.rows.ids, len(self.points)
        return pa.table(
            {
                "step": pa.array([at for at in self.points for _ in ids], pa.int32()),
                "id": pa.array(list(ids) * many),
                "language": pa.array(list(self.rows.languages) * many),
                "label": pa.array(torch.cat([*self.points.values()]).tolist(), pa.int32()),
            }
        )

    def state_dict(self) -> dict[str, Tensor]:
        return {str(step): said for step, said in self.points.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.points = {step: state[str(step)] for step in sorted(map(int, state))}


def _spread(target: Target) -> Tensor:
    parts = []
    for code in target.language.unique():
        rows = (target.language == code).nonzero().flatten()
        parts.append(rows[:: -(-len(rows) // ROWS)])
    return torch.cat(parts)
