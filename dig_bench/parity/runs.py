"""Runs contenders over seeds: train, sample, score, keep. What is in the folder already is not run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

from dig_bench.fid.digits_classifier import NUM_FEATURES
from dig_bench.fid.features import Extractor, Features, extractor
from dig_bench.fid.frechet import Moments, frechet_distance
from dig_bench.files.lock import alone_in
from dig_bench.machine import environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.parity import results as stored
from dig_bench.parity.contenders import Contender
from dig_bench.parity.results import Results, Run, windowed
from dig_bench.parity.training import Budget, Trained, train
from dig_bench.run.precision import tf32
from dig_bench.run.step import first_line
from dig_bench.sample.images import Images, sample_images, save_grid, to_uint8
from dig_bench.train import data
from dig_bench.train.data import Labelled
from dig_models import graphed
from dig_models.samplers import Sampling

FEATURES = "digits"
GRID_IMAGES = 60
SAMPLE_BATCH = 500
MOST_SAMPLES = 1_000_000
"""All are in memory until they are scored."""


class ContextLostError(Exception):
    """A contender failed on a GPU, and was named: its process may have lost the device, and is good for no other."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of all runs. Images of a seed begin with the same noise whoever draws them."""

    budget: Budget
    num_samples: int = 2000
    sampling: Sampling = field(default_factory=lambda: Sampling(sampler="ddim", steps=50, clip=True))

    def __post_init__(self) -> None:
        if self.num_samples > MOST_SAMPLES:
            raise ValueError(f"{MOST_SAMPLES:,} samples at most are held in memory, not {self.num_samples:,}")
        if self.num_samples <= NUM_FEATURES:
            raise ValueError(
                f"{self.num_samples} samples are too few for a covariance of {NUM_FEATURES} features: "
                f"{NUM_FEATURES + 1} at least"
            )

    def as_dict(self) -> dict[str, Any]:
        """Flat, as the page lists it."""
        sampling = {f"sampling.{name}": value for name, value in asdict(self.sampling).items()}
        return {"data": FEATURES, **asdict(self.budget), "num_samples": self.num_samples, **sampling}


def run(
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    settings: Settings,
    folder: Path,
    *,
    device: str,
    seconds: float = float("inf"),
    wait_s: float | None = None,
    say: Callable[[str], None] = print,
    past_failures: bool = False,
) -> Results:
    """A seed of every contender before the next seed. What would end after `seconds` is not begun: a contender takes as
    long as its last run here did, a new one as long as the slowest, and what it compiles at first is not foreseen.

    Holds the device meanwhile, see `alone_on`: other work on it would slow the training, which is timed. On a GPU in
    TF32. ValueError when the folder holds runs of other settings, or of another machine, or when another process writes
    into it. What else a contender raises ends it; `past_failures` it is said, and the others go on, on a GPU in another
    process: there ContextLostError, with the contender's name.
    """
    with alone_in(folder), alone_on(device, wait_s=wait_s, say=say), tf32(device == "cuda"):
        found = _opened(folder, settings, device)
        real, embedded = extractor(FEATURES, device=device), data.digits()
        real_features = real(to_uint8(embedded.images))
        begin = perf_counter()
        expected_s: dict[str, float] = {}
        failed, left_out = set(), []
        for seed, contender in product(seeds, contenders):
            name = contender.name
            if name in failed or any((run.name, run.seed) == (name, seed) for run in found.runs):
                continue
            longest_s = max(expected_s.values(), default=0.0)
            if perf_counter() - begin + expected_s.get(name, longest_s) > seconds:
                left_out.append(f"{name} seed {seed}")
                continue
            try:
                one, preparation_s = _one(contender, seed, settings, embedded, real_features, real, folder, device)
            except Exception as error:
                if not past_failures:
                    raise
                failed.add(name)
                say(f"{name} seed {seed}: {first_line(error)}")
                if device == "cuda":
                    raise ContextLostError(name) from error
                continue
            expected_s[name] = one.seconds - preparation_s
            found = stored.merged(found, [one])
            stored.write(found, folder)
            say(
                f"{one.name} seed {seed}: loss {one.final_loss:.4f}, {found.metric} {one.distance:.3g}, "
                f"{one.train_images_per_s:.0f} images/s, {one.seconds:.1f} s"
            )
    if left_out:
        say(f"{seconds:g} s are nearly over, and not begun: {', '.join(left_out)}")
    return found


def _opened(folder: Path, settings: Settings, device: str) -> Results:
    here = Results(
        settings=settings.as_dict(),
        environment=environment.describe(device),
        metric=f"FD-{FEATURES}",
    )
    if not (folder / stored.RUNS).exists():
        return here
    there = stored.read(folder)
    if differs := stored.other_conditions(there, here):
        raise ValueError(f"{folder} holds {differs}; take another folder")
    return there


def _one(
    contender: Contender,
    seed: int,
    settings: Settings,
    embedded: Labelled,
    real: Features,
    extract: Extractor,
    folder: Path,
    device: str,
) -> tuple[Run, float]:
    """And the seconds that compiling took of it."""
    begin = perf_counter()
    trained = train(contender, embedded, settings.budget, seed=seed, device=device)
    images = _sampled(trained, settings, seed, device)
    fake = extract(images)
    grids = folder / "samples"
    grids.mkdir(parents=True, exist_ok=True)
    save_grid(grids / f"{contender.name.replace('/', '-')}-seed{seed}.png", images[:GRID_IMAGES], columns=10)
    run = Run(
        name=contender.name,
        seed=seed,
        curve=windowed(trained.losses),
        distance=frechet_distance(Moments.of(real.features), Moments.of(fake.features)),
        parameters=sum(parameter.numel() for parameter in trained.model.parameters()),
        train_images_per_s=settings.budget.steps * settings.budget.batch_size / trained.seconds,
        seconds=perf_counter() - begin,
        kernels=trained.model.kernels(),
    )
    return run, trained.preparation_s


def _sampled(trained: Trained, settings: Settings, seed: int, device: str) -> Images:
    """As many of each class."""
    config = trained.model.config
    labels = [number % config.num_classes for number in range(settings.num_samples)]
    return sample_images(
        graphed(trained.model) if device == "cuda" else trained.model,
        config,
        labels,
        settings.sampling,
        seed=seed,
        batch_size=SAMPLE_BATCH,
        device=device,
    )
