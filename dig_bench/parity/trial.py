"""One run of a parity contest: trains a contender with a seed, generates images and scores them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from time import perf_counter

from dig_bench.fid.features import Extractor, extractor
from dig_bench.fid.frechet import Moments, frechet_distance
from dig_bench.parity.contenders import Contender
from dig_bench.parity.results import Run, windowed
from dig_bench.parity.settings import DATA, Settings
from dig_bench.parity.training import Trained, train
from dig_bench.sample.images import Generator, Images, to_uint8
from dig_bench.train import data
from dig_models import graphed

IMAGE_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A run with what its contest needs besides."""

    run: Run
    images: Images
    """Generated images, uint8 (N, C, H, W)."""
    preparation_s: float
    """Part of the run's seconds that compilation took."""


class Trials:
    """Runs contenders under the same settings."""

    def __init__(self, settings: Settings, *, device: str) -> None:
        self.settings, self.device = settings, device

    def run(self, contender: Contender, seed: int) -> Trial:
        """Trains, samples and scores. Raises ValueError if a loss is not finite."""
        real = _real_moments(self.device)
        begin = perf_counter()
        budget = self.settings.budget
        trained = train(contender, data.digits(), budget, seed=seed, device=self.device)
        images = self._sampled(trained, seed)
        run = Run(
            name=contender.name,
            seed=seed,
            curve=windowed(trained.losses),
            distance=frechet_distance(real, Moments.of(_extractor(self.device)(images).features)),
            parameters=sum(parameter.numel() for parameter in trained.model.parameters()),
            train_images_per_s=budget.steps * budget.batch_size / trained.seconds,
            seconds=perf_counter() - begin,
            kernels=trained.model.kernels(),
        )
        return Trial(run=run, images=images, preparation_s=trained.preparation_s)

    def _sampled(self, trained: Trained, seed: int) -> Images:
        """Returns the generated images, in equal parts per class."""
        config = trained.model.config
        labels = [number % config.num_classes for number in range(self.settings.num_images)]
        network = graphed(trained.model) if self.device == "cuda" else trained.model
        generator = Generator(network=network, config=config, batch_size=IMAGE_BATCH, device=self.device)
        return generator.images(labels, self.settings.sampling, seed=seed)


@cache
def _extractor(device: str) -> Extractor:
    return extractor(DATA, device=device)


@cache
def _real_moments(device: str) -> Moments:
    return Moments.of(_extractor(device)(to_uint8(data.digits().images)).features)
