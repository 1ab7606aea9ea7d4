"""What parity runs found, and the folder that keeps it: runs.json, whole after every run, and runs.csv for readers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dig_bench.files import atomic, json_codec
from dig_bench.machine import environment

RUNS, TABLE = "runs.json", "runs.csv"

WINDOWS = 50
"""A loss curve is kept as the means of so many windows of steps."""

FINAL_SHARE = 0.2
"""Of the steps, at the end. The median of its windows is the final loss: a loss that leaps for a few dozen steps, as it
does with one seed and not with the next, is not the level that a training has reached."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training: a contender, `DiG-T/2@fused`, and a seed."""

    name: str
    seed: int
    curve: tuple[float, ...]
    """The loss, averaged over windows of steps of equal length."""
    distance: float
    """Fréchet, of the samples to the data."""
    parameters: int
    train_images_per_s: float
    """Images of the steps over their time, without the first of them, which compile."""
    seconds: float
    """Of the run as a whole, sampling included."""
    kernels: str

    @property
    def loss(self) -> float:
        """Over the whole of the training."""
        return float(np.mean(self.curve))

    @property
    def final_loss(self) -> float:
        return float(np.median(self.curve[-self._final_windows :]))

    @property
    def final_descent(self) -> float:
        """From the part before the final one to that, in shares of the former: near zero where the curve has flattened.
        NaN of a curve of one window."""
        before = self.curve[-2 * self._final_windows : -self._final_windows]
        return 1 - self.final_loss / float(np.median(before)) if before else float("nan")

    @property
    def _final_windows(self) -> int:
        return max(1, round(FINAL_SHARE * len(self.curve)))


@dataclass(frozen=True, kw_only=True)
class Results:
    settings: Mapping[str, Any]
    """Of all runs: data, steps, batch size, sampler, ..."""
    environment: Mapping[str, Any]
    metric: str
    runs: tuple[Run, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(run.name for run in self.runs))

    def of(self, name: str) -> list[Run]:
        """In the order of their seeds."""
        return sorted((run for run in self.runs if run.name == name), key=lambda run: run.seed)

    def only(self, names: Collection[str]) -> Results:
        """The runs of these contenders, in the order in which they are named here."""
        return replace(self, runs=tuple(run for name in names for run in self.of(name)))

    def table(self) -> pd.DataFrame:
        """A row a run, without its curve."""
        columns = (
            *("name", "seed", "final_loss", "final_descent", "loss", "distance"),
            *("train_images_per_s", "parameters", "seconds"),
        )
        rows = [[getattr(run, column) for column in columns] for run in self.runs]
        return pd.DataFrame(rows, columns=list(columns)).rename(columns={"distance": self.metric})


def windowed(losses: Sequence[float]) -> tuple[float, ...]:
    """Means of WINDOWS windows, or of single steps where there are fewer."""
    return tuple(float(part.mean()) for part in np.array_split(np.asarray(losses, float), min(WINDOWS, len(losses))))


def write(results: Results, folder: Path) -> None:
    """Whole or not at all; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_whole(folder / RUNS, (json.dumps(asdict(results), indent=1) + "\n").encode())
    atomic.write_whole(folder / TABLE, results.table().to_csv(index=False, float_format="%.6g").encode())


def read(folder: Path) -> Results:
    """ValueError, in one line, for a folder without results, or with others' files."""
    path = folder / RUNS if folder.is_dir() else folder
    try:
        return json_codec.build(Results, json_codec.parse(path.read_bytes()))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} holds no parity runs: {error}") from None


def other_conditions(there: Results, here: Results) -> str:
    """The first thing in which `there` was run otherwise than `here`, so that its runs are none of this contest: other
    settings, another metric or machine. Empty when there is none."""
    for kind, old, new in (
        ("other settings", there.settings, here.settings),
        ("another metric", {"metric": there.metric}, {"metric": here.metric}),
        ("another machine", there.environment, {key: here.environment.get(key) for key in environment.MACHINE_KEYS}),
    ):
        for key, value in new.items():
            if old.get(key) != value:
                return f"runs of {kind}: {key} is {old.get(key)} there, {value} here"
    return ""


def merged(results: Results, runs: Iterable[Run]) -> Results:
    """With these in place of runs of the same name and seed."""
    kept = {(run.name, run.seed): run for run in (*results.runs, *runs)}
    return replace(results, runs=tuple(kept.values()))
