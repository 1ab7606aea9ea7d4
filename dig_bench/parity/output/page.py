"""Parity results as one self-contained HTML page with its figures."""

from __future__ import annotations

from pathlib import Path

from dig_bench.files import json_codec
from dig_bench.parity.output import words
from dig_bench.parity.output.figures import plots
from dig_bench.parity.results import Results
from dig_bench.parity.verdict import Comparison
from dig_bench.render.levels import level_of
from dig_bench.render.page import fill


def write(results: Results, comparisons: list[Comparison], folder: Path) -> list[Path]:
    """Writes parity.html and the figures into an existing folder. Returns their paths, the page first."""
    drawn = plots(results)
    page = folder / "parity.html"
    page.write_text(
        fill(
            "parity.html.j2",
            package="dig_bench.parity.output",
            name="Parity",
            comparisons=comparisons,
            words=words,
            level_of=level_of,
            metric=results.metric,
            contenders=words.contenders(results),
            contender_columns=words.contender_columns(results.metric),
            columns=words.FINDING_COLUMNS,
            plots=drawn,
            settings={key: _plain(value) for key, value in results.settings.items()},
            environment={key: _plain(value) for key, value in results.environment.items() if value not in (None, "")},
        ),
        encoding="utf-8",
    )
    return [page, *(path for plot in drawn for path in plot.save(folder))]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json_codec.dumps(value, indent=None).strip()
