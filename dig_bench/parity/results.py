"""Results of a parity contest: its settings, the machine, and one run per contender and seed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

WINDOWS = 50
"""Number of windows of training steps whose mean losses make up a loss curve."""

FINAL_SHARE = 0.2
"""Share of the training steps, at the end, behind the final loss. The final loss is the median of its windows: some
seeds have a spike of a few dozen steps, which is not the level that the training reached."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training: a contender, `DiG-T/2@fused`, with one seed."""

    name: str
    seed: int
    curve: tuple[float, ...]
    """Mean loss of each window of training steps; the windows have equal length."""
    distance: float
    """Fréchet distance of the generated images to the data."""
    parameters: int
    train_images_per_s: float
    """Training throughput, without the first training step, which compiles."""
    seconds: float
    """Duration of the whole run, with sampling and scoring."""
    kernels: str

    @property
    def loss(self) -> float:
        """Mean loss over the whole training."""
        return float(np.mean(self.curve))

    @property
    def final_loss(self) -> float:
        """Median of the loss windows in the last fifth of the training."""
        return float(np.median(self.curve[-self._final_windows :]))

    @property
    def final_descent(self) -> float:
        """Relative drop of the loss from the fifth before the last to the last; near zero once the curve has
        plateaued. NaN for a curve with a single window."""
        before = self.curve[-2 * self._final_windows : -self._final_windows]
        return 1 - self.final_loss / float(np.median(before)) if before else float("nan")

    @property
    def _final_windows(self) -> int:
        return max(1, round(FINAL_SHARE * len(self.curve)))


@dataclass(frozen=True, kw_only=True)
class Results:
    """All runs of a contest, which share settings and machine."""

    settings: Mapping[str, Any]
    """Data, training steps, batch size, sampler, ..."""
    environment: Mapping[str, Any]
    metric: str
    """Name of the distance: `FD-digits`."""
    runs: tuple[Run, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        """Contenders, in the order of their first run."""
        return list(dict.fromkeys(run.name for run in self.runs))

    def of(self, name: str) -> list[Run]:
        """Returns the runs of a contender, ordered by seed."""
        return sorted((run for run in self.runs if run.name == name), key=lambda run: run.seed)

    def only(self, names: Collection[str]) -> Results:
        """Returns the runs of these contenders, in the order of the names."""
        return replace(self, runs=tuple(run for name in names for run in self.of(name)))

    def merged(self, runs: Iterable[Run]) -> Results:
        """Adds runs; a run with the same name and seed is replaced."""
        kept = {(run.name, run.seed): run for run in (*self.runs, *runs)}
        return replace(self, runs=tuple(kept.values()))

    def table(self) -> pd.DataFrame:
        """Returns one row per run, without its curve."""
        columns = (
            *("name", "seed", "final_loss", "final_descent", "loss", "distance"),
            *("train_images_per_s", "parameters", "seconds"),
        )
        rows = [[getattr(run, column) for column in columns] for run in self.runs]
        return pd.DataFrame(rows, columns=list(columns)).rename(columns={"distance": self.metric})


def windowed(losses: Sequence[float]) -> tuple[float, ...]:
    """Returns the mean loss of each of WINDOWS windows, or the losses themselves if there are fewer."""
    return tuple(float(part.mean()) for part in np.array_split(np.asarray(losses, float), min(WINDOWS, len(losses))))
