"""What shared weights say of rows is computed by the first run that asks, and kept beside them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from safetensors.torch import load_file, save_file

from conlst.arrays import Tokens
from conlst.folder import RunFolder
from conlst.predict import Labelled


def labelled_once(folder: Path, tokens: Tokens, label: Callable[[], Labelled]) -> Labelled:
    """What `label` says of these tokens, from here or from whoever asked before.

    Runs that ask at the same time wait for the first of them.

    Args:
        folder: of the labels of one model, whose weights do not change.
        tokens: the rows.
        label: passes them through that model, without dropout.
    """
    file = folder / f"{_digest(tokens)}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{file.stem}.lock"):
        if file.is_file():
            held = load_file(file)
            return Labelled(held["logits"], held["probs"], held["features"])
        said = label()
        tensors = {"logits": said.logits_NC, "probs": said.probs_NC, "features": said.features_ND}
        RunFolder(folder).write(file.name, lambda path: save_file(tensors, path))
        return said


def _digest(tokens: Tokens) -> str:
    digest = hashlib.sha256()
    for column in (tokens.ids, tokens.segments, tokens.offsets):
        digest.update(b"-" if column is None else column.contiguous().numpy().data)
    return digest.hexdigest()
