"""A history as text, pages and data: one file per format."""

from __future__ import annotations

from dig_bench.history.trends import Trends

SUFFIXES = (".json", ".html")


def render(trends: Trends, suffix: str) -> str:
    """Returns the content of a file of this format. `suffix` is one of SUFFIXES."""
    match suffix:
        case ".json":
            from dig_bench.history.output import as_json

            return as_json.render(trends)
        case ".html":
            # Figures need matplotlib, which takes long to import.
            from dig_bench.history.output import html

            return html.render(trends)
    raise AssertionError(suffix)
