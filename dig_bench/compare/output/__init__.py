"""Writes a comparison for people, for pull requests and for programs: one file per format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dig_bench.compare.comparison import Comparison
from dig_bench.files import output_file

SUFFIXES = (".md", ".xml", ".json", ".html")


def check(paths: list[Path]) -> None:
    """Raises ValueError, before anything is measured, for a file of unknown format or without a folder."""
    output_file.check(paths, SUFFIXES)


def render(comparison: Comparison, suffix: str) -> str:
    """Returns the content of a file whose suffix is one of SUFFIXES."""
    match suffix:
        case ".md":
            from dig_bench.compare.output import markdown

            return markdown.render(comparison)
        case ".xml":
            from dig_bench.compare.output import junit

            return junit.render(comparison)
        case ".json":
            from dig_bench.compare.output import as_json

            return as_json.render(comparison)
        case ".html":
            # It draws figures: matplotlib and pandas take a second to import.
            from dig_bench.compare.output import html

            return html.render(comparison)
    raise AssertionError(suffix)


def write(comparison: Comparison, path: Path) -> None:
    """Writes a file in the format of its suffix. Raises ValueError if that fails."""
    output_file.write(path, render(comparison, path.suffix))


def summarise_job(comparison: Comparison, environment: Mapping[str, str] = os.environ) -> None:
    """Appends the Markdown to the summary of a GitHub Actions job, if this is one. Raises ValueError if that fails."""
    if path := environment.get("GITHUB_STEP_SUMMARY"):
        output_file.write(Path(path), render(comparison, ".md") + "\n", mode="a")
