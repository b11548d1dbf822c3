"""What every goal is told: where real text may be, how many rounds, whether it is only tried."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """How to measure."""

    bed: str | None = None
    """A folder with xnli/ and tokenizers/; None: the texts of the package."""
    quick: bool = False
    """Tiny sizes and a single round: whether the files run, not how fast."""
    rounds: int = 5
    seed: int = 13

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Setting":
        return cls(**told)

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def size(self, full: int, quick: int) -> int:
        """A size of the workload."""
        return quick if self.quick else full
