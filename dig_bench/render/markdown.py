"""Markdown: the one place that escapes texts for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dig_bench.render.text import log_line


def code(text: str) -> str:
    """A code span, in which GitHub renders no links, mentions or markup; safe in a table's cell."""
    return f"`{log_line(text).replace('`', chr(39)).replace('|', chr(92) + '|') or ' '}`"


def prose(text: str) -> str:
    """Text with Markdown's and HTML's special characters as entities."""
    return "".join(f"&#{ord(char)};" if char in "*_<>&@`[]|\\" else char for char in text)


def table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Lines of a table. The texts are Markdown already: escape them with `code` or `prose`."""
    yield _row(columns)
    yield _row(["---"] * len(columns))
    yield from map(_row, rows)


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
