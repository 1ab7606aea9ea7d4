"""The claims as text, pages and data: one file per format."""

from __future__ import annotations

from dig_bench.claims.assessment import Assessment

SUFFIXES = (".md", ".json", ".html")


def render(assessment: Assessment, suffix: str) -> str:
    """Returns the content of a file of this format. `suffix` is one of SUFFIXES."""
    match suffix:
        case ".md":
            from dig_bench.claims.output import markdown

            return markdown.render(assessment)
        case ".json":
            from dig_bench.claims.output import as_json

            return as_json.render(assessment)
        case ".html":
            # Figures need matplotlib, which takes long to import.
            from dig_bench.claims.output import html

            return html.render(assessment)
    raise AssertionError(suffix)
