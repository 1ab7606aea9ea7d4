"""One self-contained HTML page, in the looks of the report. Whatever comes from a file is escaped by the template."""

from __future__ import annotations

from markupsafe import Markup

from dig_bench.history.output import words
from dig_bench.history.output.figures import plots
from dig_bench.history.trends import Change, Trends
from dig_bench.render.page import fill


def render(trends: Trends) -> str:
    drawn = plots(trends)
    return fill(
        "history.html.j2",
        package="dig_bench.history.output",
        name="History",
        trends=trends,
        words=words,
        # Commits are listed for what they may be blamed for.
        changes=[
            (change, _kind(change), trends.commits(change) if change.cause == "revision" else None)
            for change in trends.changes
        ],
        models=sorted({change.key.model for change in trends.changes}),
        causes=sorted({change.cause for change in trends.changes}),
        environment_changes=dict(trends.environment_changes()),
        plots=[(plot, Markup(plot.markup())) for plot in drawn],
        not_drawn=len(trends.trends) - len(drawn),
    )


def _kind(change: Change) -> str:
    return "warn" if change.cause != "revision" else "bad" if change.is_worse else "good"
