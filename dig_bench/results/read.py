"""Reads a folder of results: its rows, as a list or a data frame, and its timing samples."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from dig_bench.cell import Cell, Row
from dig_bench.files import atomic
from dig_bench.files.json_codec import build, parse
from dig_bench.results.folder import LAUNCH, ROWS, SAMPLES, StoreError, os_errors
from dig_bench.results.table import TableError, parse_table, to_frame

if TYPE_CHECKING:
    import pandas as pd


def read_rows(folder_or_csv: str | Path) -> pd.DataFrame:
    """Reads rows.csv as a data frame with all of ROW_COLUMNS.

    Text is str (empty if there is none), whole numbers are integers (nullable if a row can lack them), other numbers
    floats. Raises StoreError for a missing or broken file.
    """
    return to_frame(read_row_list(folder_or_csv))


def read_row_list(folder_or_csv: str | Path) -> list[Row]:
    """Reads rows.csv in the order in which it was written. Raises StoreError for a missing or broken file."""
    path = Path(folder_or_csv)
    path = path / ROWS if path.is_dir() else path
    with os_errors(path):
        content = path.read_bytes()
    if not content:
        raise StoreError(f"{path} is empty: its sweep has not written a row yet")
    if not content.endswith(b"\n"):
        raise StoreError(f"{path} ends in half a row: resume its sweep to repair it")
    return parse_rows(path, content)


def parse_rows(path: Path, content: bytes) -> list[Row]:
    """Parses the content of rows.csv. Raises StoreError, which names the path, for a broken table."""
    try:
        return parse_table(content)
    except TableError as error:
        raise StoreError(f"{path}: {error}") from None


def read_samples(folder: str | Path) -> dict[Cell, dict[str, list[float]]]:
    """Reads the timing samples in ms, by cell and name. Raises StoreError for a missing or broken file.

    A cell whose sweep was killed before its row was written has the samples of the last attempt.
    """
    path = Path(folder) / SAMPLES
    with os_errors(path):
        content = path.read_bytes()
    try:
        records = [parse(line) for line in gzip.decompress(content[: whole_samples(path)]).splitlines()]
        if any("launch" in record["cell"] for record in records):
            raise StoreError(f"{path}: {LAUNCH}")
        return {build(Cell, record["cell"]): dict(record["samples"]) for record in records}
    except StoreError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{path} does not hold samples: {type(error).__name__}: {error}") from None


def whole_samples(path: Path) -> int:
    """Returns the length in bytes of the whole gzip members: all but what a killed sweep left half written."""
    try:
        return atomic.whole_members(path.read_bytes() if path.exists() else b"")
    except atomic.DamagedError as error:
        raise StoreError(f"{path} is damaged {error}; move it away to resume without its samples") from None
