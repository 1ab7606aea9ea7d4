"""All claims and both figures of the paper, judged by results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dig_bench.claims.claim import claims
from dig_bench.claims.judgement import Judgement, judge
from dig_bench.claims.machines import Machine, read_machines
from dig_bench.claims.points import Panel, panels
from dig_bench.claims.verdict import TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Everything that the outputs show."""

    judgements: tuple[Judgement, ...]
    panels: tuple[Panel, ...]
    """Panels of both figures, for each figure the one nearest to the paper's conditions first."""
    machines: tuple[Machine, ...]
    tolerance: float

    @property
    def is_empty(self) -> bool:
        """True if nothing was measured for any claim: none has a verdict."""
        return all(judgement.verdict == "not measured" for judgement in self.judgements)

    @property
    def nearest_panels(self) -> list[Panel]:
        """The panel of each figure that is nearest to the paper's conditions."""
        return list({panel.figure: panel for panel in reversed(self.panels)}.values())[::-1]


def assess(paths: Sequence[Path], *, tolerance: float = TOLERANCE) -> Assessment:
    """Judges the claims by results folders or tables of rows.

    Raises StoreError for a missing or broken path, and ValueError for a path that is given twice and for a tolerance
    that is not between 0 and 1.
    """
    if not 0 <= tolerance < 1:
        raise ValueError(f"a tolerance is a share from 0 to 1, not {tolerance:g}")
    machines = read_machines(paths)
    return Assessment(
        judgements=tuple(judge(machines, claim, tolerance=tolerance) for claim in claims(tolerance)),
        panels=(*panels(machines, "teaser"), *panels(machines, "size")),
        machines=tuple(machines),
        tolerance=tolerance,
    )
