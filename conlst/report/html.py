"""From templates to one file: everything inline, all text made inert and escaped, no network."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conlst import __version__
from conlst.report.words import inert

LIMIT = 5000
"""Characters of a text that is longer than anybody reads."""


def environment() -> Environment:
    """Templates in which whatever is not markup already is one inert, escaped line."""
    return Environment(
        loader=PackageLoader("conlst.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else inert(value, LIMIT),
    )


def filled(name: str, title: str, given: dict[str, Any], **filters: Any) -> str:
    """A whole page from the template of that name."""
    script = _asset("search.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return part(
        name,
        given,
        filters,
        title=title,
        version=__version__,
        style=Markup(_asset("style.css")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )


def part(
    name: str, given: dict[str, Any], filters: Mapping[str, Any] | None = None, **more: Any
) -> str:
    """What a template makes of what it is given, to be put where markup is expected."""
    templates = environment()
    templates.filters |= {"drawn": Markup, **(filters or {})}  # our own figures are markup
    return templates.get_template(name).render(given, **more)


def _asset(name: str) -> str:
    return files("conlst.report").joinpath("templates", name).read_text(encoding="utf-8")
