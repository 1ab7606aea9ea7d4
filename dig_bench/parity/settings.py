"""Settings that all runs of a parity contest share."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from dig_bench.fid.digits_classifier import NUM_FEATURES
from dig_models.samplers import Sampling

DATA = "digits"
"""Data that contenders train on, and features that their images are scored by."""

MAX_TRAINING_IMAGES = 2**30
"""Limit for all training steps together: their order is drawn before the first step."""

MAX_IMAGES = 1_000_000
"""Limit for generated images, which stay in memory until they are scored."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Training budget of every contender. The learning rate is constant after a linear warm-up of 5 % of the steps.

    Raises ValueError for values out of range.
    """

    steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 1e-3
    ema_decay: float = 0.995
    """Decay of the averaged weights. DiT's 0.9999 would still remember the initial weights after so few steps."""
    label_dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, not {getattr(self, name)}")
        images = self.steps * self.batch_size
        if images > MAX_TRAINING_IMAGES:
            raise ValueError(f"a contender trains on at most {MAX_TRAINING_IMAGES:,} images, not {images:,}")
        if not (0 <= self.ema_decay < 1 and 0 <= self.label_dropout < 1):
            raise ValueError("ema_decay and label_dropout must be at least 0 and less than 1")

    @property
    def warmup(self) -> int:
        """Training steps of the linear warm-up."""
        return self.steps // 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Training budget and sampler. With the same seed, the images of all contenders start from the same noise.

    Raises ValueError for a number of images out of range.
    """

    budget: Budget
    num_images: int = 2000
    """Generated images of each run, in equal parts per class."""
    sampling: Sampling = field(default_factory=lambda: Sampling(sampler="ddim", steps=50, clip=True))

    def __post_init__(self) -> None:
        if self.num_images > MAX_IMAGES:
            raise ValueError(f"at most {MAX_IMAGES:,} images fit in memory, not {self.num_images:,}")
        if self.num_images <= NUM_FEATURES:
            raise ValueError(
                f"{self.num_images} images are too few for a covariance of {NUM_FEATURES} features: "
                f"take at least {NUM_FEATURES + 1}"
            )

    def as_dict(self) -> dict[str, Any]:
        """Returns the settings as a flat dictionary, as runs.json stores them and the page lists them."""
        sampling = {f"sampling.{name}": value for name, value in asdict(self.sampling).items()}
        return {"data": DATA, **asdict(self.budget), "num_images": self.num_images, **sampling}
