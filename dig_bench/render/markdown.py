"""Markdown: the one place that escapes texts for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dig_bench.render.text import log_line


def code(text: str) -> str:
    """Returns a code span: GitHub renders no links, mentions or markup in it. Safe in a table."""
    return f"`{log_line(text).replace('`', chr(39)).replace('|', chr(92) + '|') or ' '}`"


def prose(text: str) -> str:
    """Returns text with the special characters of Markdown and HTML as entities."""
    return "".join(f"&#{ord(char)};" if char in "*_<>&@`[]|\\" else char for char in text)


def table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yields the lines of a table. The texts are Markdown: escape them with `code` or `prose` first."""
    yield _row(columns)
    yield _row(["---"] * len(columns))
    yield from map(_row, rows)


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
