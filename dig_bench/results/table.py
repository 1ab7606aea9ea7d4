"""Rows as CSV text and back, and as a pandas data frame. The columns and their types are the fields of Row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, get_type_hints

from dig_bench.cell import CELL_COLUMNS, EXECUTIONS, LATER_COLUMNS, MODES, PRECISIONS, ROW_COLUMNS, STATUSES, Row
from dig_bench.results.folder import LAUNCH

if TYPE_CHECKING:
    import pandas as pd

CHOICES = {"mode": MODES, "precision": PRECISIONS, "execution": EXECUTIONS, "status": STATUSES}

MAX_INT = 2**53
"""Largest whole number: pandas rounds larger ones in a column that lacks a value."""

EARLIER_COLUMNS = tuple(name for name in ROW_COLUMNS if name not in LATER_COLUMNS)
"""Columns that every table has."""

_NUMBER = re.compile(r"-?(\d+(\.\d*)?([eE][+-]?\d+)?|inf|nan)", re.ASCII)
"""Numbers as repr and spreadsheets write them."""

_HINTS = get_type_hints(Row)
_OPTIONAL = {int | None: int, float | None: float}


class TableError(ValueError):
    """Says in one line what is wrong with a table, with the line number."""


def format_line(values: Iterable[Any]) -> str:
    """Formats one line of CSV. Floats keep all their digits; None is empty."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    text = line.getvalue()
    assert text.count("\n") == 1, f"a value of several lines: {text!r}"
    return text


def parse_table(content: bytes) -> list[Row]:
    """Parses a table. Raises TableError for anything but a header and rows of `format_line`, each cell once."""
    try:
        text = content.decode()
        if "\0" in text:
            raise TableError("NUL bytes")
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"not CSV: {error}") from None
    columns = tuple(lines[0]) if lines else ()
    if not set(EARLIER_COLUMNS) <= set(columns) or columns != tuple(name for name in ROW_COLUMNS if name in columns):
        raise TableError(f"not a table of rows: {_header_fault(list(columns))}")
    seen: dict[Any, int] = {}
    rows = []
    for number, values in enumerate(lines[1:], start=2):
        row = _parse_row(columns, values, number)
        if row.cell in seen:
            raise TableError(f"lines {seen[row.cell]} and {number} hold the same cell, {row.cell}")
        seen[row.cell] = number
        rows.append(row)
    return rows


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Returns a data frame with one column per field of Row."""
    import pandas as pd

    frame = pd.DataFrame([row.as_dict() for row in rows], columns=list(ROW_COLUMNS))
    dtypes = {int: "int64", int | None: "Int64", float | None: "float64"}
    return frame.astype({name: dtypes[hint] for name, hint in _HINTS.items() if hint in dtypes})


def _header_fault(header: list[str]) -> str:
    if "launch" in header and "process" not in header:
        return LAUNCH
    missing = [name for name in EARLIER_COLUMNS if name not in header]
    if missing:
        return f"no column {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
    unexpected = [name for name in header if name not in ROW_COLUMNS]
    return f"unexpected column {', '.join(unexpected)}" if unexpected else "its columns are in another order"


def _parse_row(columns: tuple[str, ...], values: list[str], number: int) -> Row:
    if len(values) != len(columns):
        raise TableError(f"line {number} has {len(values)} values for {len(columns)} columns")
    found = {}
    for name, text in zip(columns, values, strict=True):
        try:
            found[name] = _parse_value(name, text)
        except ValueError:
            raise TableError(f"line {number}: {name} cannot be {text[:50]!r}") from None
    return Row(**found)


def _parse_value(name: str, text: str) -> Any:
    hint = _HINTS[name]
    if hint in _OPTIONAL and not text:
        return None
    kind: Callable[[str], Any] = _OPTIONAL.get(hint, int if hint is int else str)
    # Python also reads 1_000, Arabic digits and blanks; other CSV readers do not.
    if kind is not str and not _NUMBER.fullmatch(text):
        raise ValueError
    value = kind(text)
    if kind is int and not (1 if name in CELL_COLUMNS else 0) <= value <= MAX_INT:
        raise ValueError
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError
    return value
