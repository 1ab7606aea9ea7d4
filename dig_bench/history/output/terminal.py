"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dig_bench.history.output import words
from dig_bench.history.trends import Trends
from dig_bench.render.levels import WARN
from dig_bench.render.text import log_line

MAX_ROWS = 40


def render(trends: Trends) -> RenderableType:
    """Entries and changes. Texts from results are Text, so that rich reads no markup in them."""
    return Group(*_parts(trends))


def _parts(trends: Trends) -> Iterator[RenderableType]:
    yield _entries(trends)
    changes = trends.changes
    if changes:
        yield _changes(trends)
        if len(changes) > MAX_ROWS:
            yield Text(f"and {len(changes) - MAX_ROWS} more, which --output FILE.html lists")
    for warning in words.warnings(trends):
        yield Text(f"note: {warning}", style=WARN.terminal)
    yield Text(words.method(trends), style="dim")
    yield Text(f"{words.counts(trends)}.", style="bold")


def _entries(trends: Trends) -> Table:
    table = Table("entry", "measured", "cells", "new environment", title="Entries, in order")
    changed = dict(trends.environments.changes())
    first = max(0, len(trends.entries) - MAX_ROWS)
    for place, entry in enumerate(trends.entries[first:], start=first):
        table.add_row(
            Text(words.label(entry)),
            Text(words.day(entry)),
            str(len(entry.evidence.rows)),
            Text(words.environment(changed[place]) if place in changed else ""),
        )
    if first:
        table.caption = f"and {first} earlier ones"
    return table


def _changes(trends: Trends) -> Table:
    table = Table("cell", "metric", "change (95 %)", "between", "cause", title="Changes, those of the code first")
    for change in trends.changes[:MAX_ROWS]:
        table.add_row(
            Text(log_line(change.key.label())),
            words.metric(change),
            Text(words.size(change), style=words.level(change).terminal),
            Text(words.between(trends, change)),
            Text(words.cause(trends, change)),
        )
    return table
