"""Tables as text, as a terminal and a page show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dig_bench.render.numbers import significant


@dataclass(frozen=True, kw_only=True)
class Text:
    """A table; the first column names its rows. The note explains it, if it is not empty."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def ms(value: float) -> str:
    return significant(value) if value else "0"
