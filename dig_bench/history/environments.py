"""Environments of a history's entries: which entries were measured under equal conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dig_bench.compare import conditions
from dig_bench.compare.conditions import Difference
from dig_bench.history.entries import Entry


@dataclass(frozen=True, kw_only=True)
class Environments:
    """The environment of each entry, as a number."""

    entries: tuple[Entry, ...]
    numbers: tuple[int, ...]
    """One per entry. Entries with equal numbers differ in no condition."""

    @staticmethod
    def of(entries: Sequence[Entry]) -> Environments:
        """Numbers the environments in the order in which they appear."""
        firsts: list[Entry] = []
        numbers = []
        for entry in entries:
            number = next((place for place, first in enumerate(firsts) if not _differences(first, entry)), len(firsts))
            if number == len(firsts):
                firsts.append(entry)
            numbers.append(number)
        return Environments(entries=tuple(entries), numbers=tuple(numbers))

    def differences(self, before: int, after: int) -> tuple[Difference, ...]:
        """Differences between the environments of two entries; none for equal numbers."""
        if self.numbers[before] == self.numbers[after]:
            return ()
        return _differences(self.entries[before], self.entries[after])

    def changes(self) -> Iterator[tuple[int, tuple[Difference, ...]]]:
        """Yields each entry whose environment differs from that of the entry before it, and the differences."""
        for place, (one, other) in enumerate(pairwise(self.numbers), start=1):
            if one != other:
                yield place, self.differences(place - 1, place)


def _differences(before: Entry, after: Entry) -> tuple[Difference, ...]:
    return conditions.differences(before.evidence, after.evidence)
