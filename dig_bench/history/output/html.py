"""One self-contained HTML page. The template escapes all text that comes from a file."""

from __future__ import annotations

from dig_bench.history.output import words
from dig_bench.history.output.figures import plots
from dig_bench.history.trends import Trends
from dig_bench.render.page import fill


def render(trends: Trends) -> str:
    """The whole page."""
    drawn = plots(trends)
    return fill(
        "history.html.j2",
        package="dig_bench.history.output",
        name="History",
        trends=trends,
        words=words,
        # Commits are listed only for changes that they may have caused.
        changes=[
            (change, words.level(change).name, trends.commits(change) if change.cause == "revision" else None)
            for change in trends.changes
        ],
        models=sorted({change.key.model for change in trends.changes}),
        causes=sorted({change.cause for change in trends.changes}),
        environment_changes=dict(trends.environments.changes()),
        plots=drawn,
        not_drawn=len(trends.trends) - len(drawn),
    )
