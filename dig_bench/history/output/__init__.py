"""A history for people and for machines, one file per format."""

from __future__ import annotations

from dig_bench.history.trends import Trends

SUFFIXES = (".json", ".html")


def render(trends: Trends, suffix: str) -> str:
    """The whole file, of a suffix out of SUFFIXES."""
    match suffix:
        case ".json":
            from dig_bench.history.output import as_json

            return as_json.render(trends)
        case ".html":
            # It draws figures, for which matplotlib has to be imported.
            from dig_bench.history.output import html

            return html.render(trends)
    raise AssertionError(suffix)
