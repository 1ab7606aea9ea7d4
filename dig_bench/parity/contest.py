"""A parity contest: runs every contender with every seed, and stores each run. Stored runs are not repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf
from pathlib import Path
from time import perf_counter

from dig_bench.files.lock import alone_in
from dig_bench.machine import environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.parity import store
from dig_bench.parity.contenders import Contender
from dig_bench.parity.results import Results, Run
from dig_bench.parity.settings import DATA, Settings
from dig_bench.parity.trial import Trials
from dig_bench.run.precision import tf32
from dig_bench.sample.images import Images, save_grid

GRID_IMAGES = 60
IMAGES = "images"
"""Subfolder with a grid of generated images per run."""


def _raise(contender: Contender, seed: int, error: Exception) -> None:
    raise error


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Contenders, seeds and settings, on one device type."""

    contenders: Sequence[Contender]
    seeds: Sequence[int]
    settings: Settings
    device: str

    def run(
        self,
        folder: Path,
        *,
        seconds: float = inf,
        wait_s: float | None = None,
        say: Callable[[str], None] = print,
        on_failure: Callable[[Contender, int, Exception], None] = _raise,
    ) -> Results:
        """Runs what the folder does not hold yet: a seed of every contender, then the next seed. Returns all results.

        No run starts that would end after `seconds`. A contender's run is expected to take as long as its last one,
        or as the longest so far if it has none, without compilation. The device is locked meanwhile (`alone_on`), since
        training throughput is measured. A GPU uses TF32.

        `on_failure` gets the error of a run; if it returns, the contest continues without that contender. Raises
        ValueError if the folder holds runs of other settings or of another machine, or if another process writes to it.
        """
        with alone_in(folder), alone_on(self.device, wait_s=wait_s, say=say), tf32(self.device == "cuda"):
            found = self._opened(folder)
            trials = Trials(self.settings, device=self.device)
            begin = perf_counter()
            expected_s: dict[str, float] = {}
            failed, skipped = set[str](), list[str]()
            for seed, contender in product(self.seeds, self.contenders):
                name = contender.name
                if name in failed or any((run.name, run.seed) == (name, seed) for run in found.runs):
                    continue
                longest_s = max(expected_s.values(), default=0.0)
                if perf_counter() - begin + expected_s.get(name, longest_s) > seconds:
                    skipped.append(f"{name} seed {seed}")
                    continue
                try:
                    trial = trials.run(contender, seed)
                except Exception as error:
                    on_failure(contender, seed, error)
                    failed.add(name)
                    continue
                expected_s[name] = trial.run.seconds - trial.preparation_s
                _save_grid(trial.run, trial.images, folder / IMAGES)
                found = found.merged([trial.run])
                store.write(found, folder)
                say(_summary(trial.run, found.metric))
        if skipped:
            say(f"not started, since {seconds:g} s would not suffice: {', '.join(skipped)}")
        return found

    def _opened(self, folder: Path) -> Results:
        here = Results(
            settings=self.settings.as_dict(),
            environment=environment.describe(self.device),
            metric=f"FD-{DATA}",
        )
        if not (folder / store.RUNS).exists():
            return here
        there = store.read(folder)
        if differs := store.difference(there, here):
            raise ValueError(f"{folder} holds {differs}; choose another folder")
        return there


def _save_grid(run: Run, images: Images, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_grid(folder / f"{run.name.replace('/', '-')}-seed{run.seed}.png", images[:GRID_IMAGES], columns=10)


def _summary(run: Run, metric: str) -> str:
    return (
        f"{run.name} seed {run.seed}: loss {run.final_loss:.4f}, {metric} {run.distance:.3g}, "
        f"{run.train_images_per_s:.0f} images/s, {run.seconds:.1f} s"
    )
