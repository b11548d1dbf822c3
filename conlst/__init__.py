"""Interchangeable parts for cross-lingual transfer by self-training, and their runner.

    import conlst
    report = conlst.run("quickstart", out="runs/quickstart")

`import conlst` loads nothing heavy: `run` brings torch when it is first named.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from conlst.errors import BadInput, ConlstWarning

if TYPE_CHECKING:
    from conlst.runner import run

__version__ = "0.1.0"
__all__ = ["BadInput", "ConlstWarning", "__version__", "run"]


def __getattr__(name: str) -> Any:
    if name == "run":
        return import_module("conlst.runner").run
    raise AttributeError(f"module 'conlst' has no attribute {name!r}")
