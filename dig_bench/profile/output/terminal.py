"""Tables and findings of profiles for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dig_bench.profile.output import sentences, tables
from dig_bench.profile.output.groups import pairs
from dig_bench.profile.record import Profile
from dig_bench.render.levels import MUTED, WARN

WORDS = {"component", "phase", "bound by", "kind", "line"}
"""Columns without numbers."""


def render(profiles: Sequence[Profile]) -> RenderableType:
    """Names of kernels and components are Text, so that rich reads no markup in them."""
    return Group(*_parts(profiles))


def _parts(profiles: Sequence[Profile]) -> Iterator[RenderableType]:
    for profile in profiles:
        for text in tables.tables(profile):
            yield from _table(text)
        for note in profile.notes:
            yield Text(f"note: {note}", style=WARN.terminal)
    for pair in pairs(profiles):
        yield from _table(tables.difference(pair))
    for doubt in sentences.not_representative(profiles):
        yield Text(doubt, style=WARN.terminal)
    for sentence in chain.from_iterable(sentences.findings(profiles)):
        yield Text(sentence)


def _table(text: tables.Text) -> Iterator[RenderableType]:
    # A table's own title is wrapped at the table's width.
    yield Text(f"\n{text.title}", style="bold")
    table = Table(box=box.SIMPLE_HEAD)
    for index, column in enumerate(text.columns):
        numeric = index > 0 and column not in WORDS
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in text.rows:
        table.add_row(*map(Text, row))
    yield table
    if text.note:
        yield Text(text.note, style=MUTED.terminal)
