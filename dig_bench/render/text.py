"""Texts from files and libraries, made safe for the place that shows them."""

from __future__ import annotations

import re


def plain(text: str, limit: int = 60) -> str:
    """Returns a label that matplotlib draws literally: printable, at most `limit` characters, without a leading
    underscore, which would hide it from a legend."""
    text = _printable(text)
    text = f" {text}" if text.startswith("_") else text
    return _shortened(text, limit)


def log_line(text: str, limit: int = 300) -> str:
    """Returns one line for a terminal or a log: printable, at most `limit` characters, without the workflow commands
    that GitHub Actions would execute."""
    text = " ".join(_printable(text).split()).replace("##[", "## [").replace("::", ": :")
    return _shortened(text, limit)


def slug(text: str) -> str:
    """Returns part of a file name or of an element's id: `S/2` -> `s-2`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]


def count(number: int, noun: str) -> str:
    """`1 cell`, `12 cells`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
