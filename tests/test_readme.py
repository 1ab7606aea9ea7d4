"""The README keeps up with what it lists."""

import re
from pathlib import Path

import typer.main

from dig_bench.cell import ROW_COLUMNS
from dig_bench.cli.app import app

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def first_cells(title: str) -> list[str]:
    """Of the table below a heading: what stands in backticks in its first column, split at commas."""
    section = README.split(f"\n## {title}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [part.strip() for cell in cells for text in re.findall("`([^`]+)`", cell) for part in text.split(",")]


def test_every_column_of_a_table_of_rows_is_explained_once() -> None:
    assert sorted(first_cells("Columns of rows.csv")) == sorted(ROW_COLUMNS)


def test_every_command_is_listed() -> None:
    listed = " ".join(first_cells("Commands"))
    missing = [name for name in typer.main.get_group(app).commands if not re.search(rf"\b{name}\b", listed)]
    assert missing == []
