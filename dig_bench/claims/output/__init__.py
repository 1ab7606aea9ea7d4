"""The claims for people, for pull requests and for machines, one file per format."""

from __future__ import annotations

from dig_bench.claims.assessment import Assessment

SUFFIXES = (".md", ".json", ".html")


def render(assessment: Assessment, suffix: str) -> str:
    """The whole file, of a suffix out of SUFFIXES."""
    match suffix:
        case ".md":
            from dig_bench.claims.output import markdown

            return markdown.render(assessment)
        case ".json":
            from dig_bench.claims.output import as_json

            return as_json.render(assessment)
        case ".html":
            # It draws figures, for which matplotlib has to be imported.
            from dig_bench.claims.output import html

            return html.render(assessment)
    raise AssertionError(suffix)
