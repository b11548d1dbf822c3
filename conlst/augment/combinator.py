"""What the augmenters that hold others share."""

from typing import ClassVar

from conlst.arrays import Rows
from conlst.augment.base import Augmenter, Level
from conlst.progress import Progress


class Combinator(Augmenter):
    """An augmenter that holds others, in lists: it asks them what it is asked."""

    level: ClassVar[Level] = "mixed"

    def parts(self) -> dict[str, Augmenter]:
        """The augmenters that it holds, by their place in it: `choices.0`."""
        lists = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            f"{name}.{place}": part
            for name, value in lists.items()
            if isinstance(value, list)
            for place, part in enumerate(value)
            if isinstance(part, Augmenter)
        }

    def misfits(self, languages: tuple[str, ...]) -> list[str]:
        """What keeps any of them from working, each with its place."""
        return [
            f"{place}: {fault}"
            for place, part in self.parts().items()
            for fault in part.misfits(languages)
        ]

    def files(self) -> list[str]:
        """The files that any of them reads."""
        return [file for part in self.parts().values() for file in part.files()]

    def prepare(self, rows: Rows, progress: Progress) -> dict[str, object]:
        """Let each prepare; what several tell under one name is told with the later's place."""
        told: dict[str, object] = {}
        for place, part in self.parts().items():
            for name, value in part.prepare(rows, progress).items():
                told[f"{name} ({place})" if name in told else name] = value
        return told
