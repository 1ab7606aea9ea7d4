"""HTML pages: one file each, with the suite's looks and its script, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dig_bench.render.style import css_variables

MAX_NAME_BYTES = 200
"""Of file systems' 255: suffixes follow it."""


def fill(template: str, *, name: str, package: str = "dig_bench.report", **values: Any) -> str:
    """The page of a template that extends `page.html.j2`, in the folder `templates` of a package. Every value is
    escaped that is no Markup. `name` is the page's title."""
    script = _packaged("page.js")
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("dig_bench.render")]),
        # By name it would only escape *.html.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(
        name=name,
        css=Markup(css_variables() + _packaged("page.css")),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **values,
    )


def check_name(name: str) -> None:
    """ValueError for a page's name that is no file name."""
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"the page's name has to be a file name, not {name!r}")
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise ValueError(f"the page's name has at most {MAX_NAME_BYTES} bytes, not {len(os.fsencode(name))}")


def _packaged(name: str) -> str:
    return files("dig_bench.render").joinpath("templates", name).read_text(encoding="utf-8")
