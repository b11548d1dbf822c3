"""Translator: Apertium, the rule-based engine, hundreds of sentences a second on one core."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch

from conlst.augment.translators.base import Translate, Translator, translators
from conlst.augment.translators.codes import ISO3, called
from conlst.errors import BadInput

PACKAGES = {
    ("en", "es"): "apertium-eng-spa",
    ("es", "fr"): "apertium-fr-es",
    ("hi", "ur"): "apertium-urd-hin",
    ("bg", "mk"): "apertium-mkd-bul",
}
"""Debian's packages for languages of XNLI; each goes both ways."""

DATA = Path("/usr/share/apertium")  # their dictionaries
RESERVED = re.compile(r"([\[\]{}^$/\\@<>])")  # letters of the stream that its programs talk in
END = "[]"  # an empty format mark: without one, a full stop at the end of a text is lost
TWICE = re.compile(r"(\S+ )(\S*[^\s\\])/\1")  # "ho jay/ho jae": two words in each alternative
ENDS = r"\s/\\\[\](){},.;:!?\u060c\u06d4\u0964"  # what ends an alternative of one word
OTHERS = re.compile(rf"(?<!\\)(?:/[^{ENDS}]+)+")  # the second alternative, and more
MARKS = re.compile(r"(?<!\\)@")  # before a word that is in one of its dictionaries only


@translators.register("apertium")
class Apertium(Translator):
    r"""Translate by rules and dictionaries, with the Apertium packages that are installed.

        translate(w, source, target) = first(apertium(escape(w)))

    Symbols: w, one of n texts; escape puts a backslash before what the engine's stream reserves
    and ends each text by a zero byte, so that no rule reaches over its end and a slash of the text
    is no alternative; first takes a of the alternatives a/b. Where blank_n, bool[n], holds there is
    nothing to translate, and "" comes back.

    Paper: Forcada et al. 2011, "Apertium: a free/open-source platform for rule-based machine
    translation". With apertium-eng-spa, -fr-es, -urd-hin and -mkd-bul it translates es via en, fr
    via es, hi and ur via each other, bg via mk.

    Departs: words that its dictionaries lack stay as they are, unmarked (`-u`); between hi and ur
    they then stand in the other script. Line ends inside a text become spaces, and a tilde may be
    lost.

    Raises:
        BadInput: when opened: the program is not installed; when translating: there is no mode for
            the pair, or the program fails.

    Examples:
        >>> translator = Apertium()
        >>> translator.knows("es", "en"), translator.knows("hi", "ur"), translator.knows("th", "en")
        (True, True, False)
    """

    at_once: ClassVar[int] = 4096

    def knows(self, source: str, target: str) -> bool:
        """Whether Debian has a package for the pair, or a mode for it is installed."""
        return _package(source, target) is not None or _mode(source, target) is not None

    def obstacle(self, source: str, target: str) -> str | None:
        """The program or the pair's package, if it is not installed."""
        if _mode(source, target):
            return None
        packages = " ".join(filter(None, ["apertium", _package(source, target)]))
        what = f"apertium's mode for {source} to {target}" if _program() else "apertium"
        return f"{what} is not installed: apt-get install {packages}"

    @contextmanager
    def opened(self) -> Iterator[Translate]:
        """Ready to start the program, which ends with each call."""
        if not _program():
            raise BadInput("apertium is not installed: apt-get install apertium")

        def translate(
            texts: Sequence[str], source: str, target: str, *, generator: torch.Generator
        ) -> list[str]:
            mode = _mode(source, target)
            if mode is None:
                raise BadInput(str(self.obstacle(source, target)))
            flat = [" ".join(text.replace("\0", " ").split()) for text in texts]
            made = iter(_translated(mode, [text for text in flat if text]))
            return [next(made) if text else "" for text in flat]

        yield translate

    def identity(self) -> str:
        """The program's version, and size and date of what is installed of each language."""
        return f"{self.model_dump_json()} {_installation(_program())}"


def _program() -> str | None:
    return shutil.which("apertium")


def _package(source: str, target: str) -> str | None:
    first, second = sorted(re.split("[-_]", language)[0].lower() for language in (source, target))
    return PACKAGES.get((first, second))


def _mode(source: str, target: str) -> str | None:
    """What the installed mode for a pair is called: its names are of two letters or of three."""
    program = _program()
    if program is None:
        return None
    short = "-".join(re.split("[-_]", language)[0].lower() for language in (source, target))
    long = f"{called(source, ISO3)}-{called(target, ISO3)}"
    return next((name for name in (short, long) if name in _modes(program)), None)


@lru_cache(maxsize=8)
def _modes(program: str) -> frozenset[str]:
    listed = subprocess.run([program, "-l"], capture_output=True, text=True, check=False)
    return frozenset(listed.stdout.split())


@lru_cache(maxsize=8)
def _installation(program: str | None) -> str:
    if program is None:
        return "not installed"
    version = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
    files = sorted(DATA.glob("apertium-*/*.bin"))
    stamp = "".join(f"{f.name} {f.stat().st_size} {f.stat().st_mtime_ns}\n" for f in files)
    return f"{version.stdout.strip()} {hashlib.sha256(stamp.encode()).hexdigest()}"


def _translated(mode: str, texts: list[str]) -> list[str]:
    """Translate in one call; if the engine stumbles over some text, that text becomes ""."""
    if not texts:
        return []
    made, fault = _once(mode, texts)
    if made is not None:
        return made
    if _once(mode, ["1"])[0] is None:
        raise BadInput(f"apertium {mode} does not work: {fault}")
    if len(texts) == 1:
        return [""]
    half = len(texts) // 2
    return _translated(mode, texts[:half]) + _translated(mode, texts[half:])


def _once(mode: str, texts: list[str]) -> tuple[list[str] | None, str]:
    """The translations, or None and what the program said."""
    stream = "".join(RESERVED.sub(r"\\\1", text) + END + "\0" for text in texts)
    done = subprocess.run(
        [str(_program()), "-u", "-z", "-f", "none", mode],
        input=stream.encode(errors="replace"),
        capture_output=True,
        check=False,
    )
    # Each program of the pipeline adds a zero byte when its input ends.
    parts = done.stdout.decode(errors="replace").rstrip("\0").split("\0")
    if done.returncode or len(parts) != len(texts) or not all(p.endswith(END) for p in parts):
        return None, done.stderr.decode(errors="replace").strip()[:200] or "texts were lost"
    return [_plain(part.removesuffix(END)) for part in parts], ""


def _plain(part: str) -> str:
    r"""A text of the stream as it is read: one alternative, no marks, nothing escaped.

    Examples:
        >>> _plain(r"main ho jay/ho jae aur/ya 24\/7 \[x\] @ok hun/hoon.")
        'main ho jay aur 24/7 [x] ok hun.'
    """
    one = OTHERS.sub("", TWICE.sub(r"\1\2/", part))
    return " ".join(re.sub(r"\\(.)", r"\1", MARKS.sub("", one)).split())
