"""Filter over cells, `--only 'model=DiG-* and resolution_px<=1024'`. Never evaluated as Python."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import get_type_hints

from dig_bench.cell import CELL_COLUMNS, EXECUTIONS, MODES, PRECISIONS, Cell, Key
from dig_bench.plan.suggest import suggest

_ORDERED: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS = frozenset(name for name, hint in get_type_hints(Cell).items() if hint is int)
_CHOICES = {"mode": MODES, "precision": PRECISIONS, "execution": EXECUTIONS, "device": ("cpu", "cuda")}
_TERM = re.compile(r"(?P<field>\w+)\s*(?P<operator><=|>=|!=|=|<|>)\s*(?P<value>[^\s=<>!]+)")


@dataclass(frozen=True, kw_only=True)
class Term:
    """Condition `field operator value`: numbers are compared, text is matched by a glob."""

    field: str
    operator: str
    value: str

    def __post_init__(self) -> None:
        if self.field not in CELL_COLUMNS:
            raise ValueError(f"--only has no field {suggest(self.field, CELL_COLUMNS)}")
        if self.field in _NUMBERS:
            if not re.fullmatch(r"-?\d{1,9}", self.value, re.ASCII):
                raise ValueError(f"--only {self.field} takes a whole number, not {self.value!r}")
        elif self.operator not in ("=", "!="):
            raise ValueError(f"--only {self.field} is text: compare it with = or !=, not {self.operator}")
        elif self.field in _CHOICES and not any(fnmatchcase(choice, self.value) for choice in _CHOICES[self.field]):
            raise ValueError(f"--only {self.field} has no {suggest(self.value, _CHOICES[self.field])}")

    def __call__(self, cell: Key) -> bool:
        found = getattr(cell, self.field)
        if self.field in _NUMBERS:
            return _ORDERED[self.operator](found, int(self.value))
        return fnmatchcase(found, self.value) is (self.operator == "=")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Conjunction of terms: a cell passes if all of them hold."""

    terms: tuple[Term, ...]

    def __call__(self, cell: Key) -> bool:
        return all(term(cell) for term in self.terms)


def parse_filter(text: str) -> Filter:
    """Parses terms joined by `and` or commas. Raises ValueError, which says what is allowed, for anything else."""
    terms = []
    for part in re.split(r"\s+and\s+|,", text.strip()):
        found = _TERM.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"--only takes terms such as model=DiG-* and resolution_px<=1024, not {part.strip()!r}")
        terms.append(Term(**found.groupdict()))
    return Filter(terms=tuple(terms))
