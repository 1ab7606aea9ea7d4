"""HTML pages: one self-contained file each, with the suite's looks and script."""

from __future__ import annotations

import base64
import hashlib
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dig_bench.render.levels import level_of
from dig_bench.render.style import css_variables

MAX_NAME_BYTES = 200
"""File systems allow 255; suffixes follow the name."""


def fill(template: str, *, name: str, package: str, **values: Any) -> str:
    """Returns the page of a template in the folder `templates` of a package; it extends `page.html.j2`.

    `name` is the page's title. All values are escaped, except Markup.
    """
    script = _packaged("page.js")
    return (
        _templates(package)
        .get_template(template)
        .render(
            name=name,
            css=Markup(css_variables() + _packaged("page.css")),
            script=Markup(script),
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            **values,
        )
    )


def check_name(name: str) -> None:
    """Raises ValueError for a page's name that is not a file name."""
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"the page's name has to be a file name, not {name!r}")
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise ValueError(f"the page's name has at most {MAX_NAME_BYTES} bytes, not {len(os.fsencode(name))}")


@cache
def _templates(package: str) -> Environment:
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("dig_bench.render")]),
        # Jinja's choice by file name would leave *.j2 unescaped.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["level_of"] = level_of
    return templates


@cache
def _packaged(name: str) -> str:
    return files("dig_bench.render").joinpath("templates", name).read_text(encoding="utf-8")
