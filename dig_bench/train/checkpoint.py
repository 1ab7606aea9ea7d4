"""Checkpoint: weights, averaged weights and optimizer state, with the facts needed to rebuild the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dig_bench.train import models
from dig_models import CATALOG, Backbone, Model, load_published

MOMENTS = ("exp_avg", "exp_avg_sq")
STATES = ("step", *MOMENTS)
"""AdamW's state of a parameter."""

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """State of a training after a training step. It does not depend on the backend that trained it."""

    model: str
    """DiG-S/2 from the catalogue, or DiG-T/2 from the models for digits."""
    data: str
    """Name of the training data: `digits`, or the user's folder."""
    image_size: int
    """Pixels along a side."""
    num_classes: int
    step: int
    """Number of training steps done."""
    weights: StateDict
    averages: StateDict

    channels: int = 1
    """Channels of the images, for a model for pixels."""
    optimizer: StateDict = field(default_factory=dict)
    """Optimizer state, `exp_avg.blocks.0...`; empty if training cannot resume from this checkpoint."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """Settings that determine the losses; a run resumes only under the same ones. Together with `step`, the seed among
    them determines all random state and the position in the data."""

    @property
    def choice(self) -> Model:
        """Architecture and config for these images. Raises ValueError for an unknown model."""
        return models.sized(
            self.model, image_size=self.image_size, num_classes=self.num_classes, channels=self.channels
        )

    @property
    def is_of_latents(self) -> bool:
        """True for a model of latents, false for a model of pixels."""
        return self.model in CATALOG

    def check(self) -> None:
        """Raises ValueError for an unknown model, and for weights or optimizer state that do not fit the model."""
        if min(self.image_size, self.num_classes, self.channels) < 1 or self.step < 0:
            raise ValueError("image_size, num_classes and channels must be at least 1, and step at least 0")
        architecture, config = self.choice
        # On the meta device only shapes are compared: nothing is computed or copied.
        with torch.device("meta"):
            network = architecture(config, backend=next(iter(architecture.backends)))
        for kind, state in (("weights", self.weights), ("averages", self.averages)):
            for name, value in state.items():
                if not value.is_floating_point():
                    raise ValueError(f"{kind}.{name} has type {value.dtype}, not a floating-point type")
            load_published(network, {name: value.to("meta") for name, value in state.items()})
        if self.optimizer:
            self._check_optimizer({name: value.shape for name, value in network.named_parameters()})

    def _check_optimizer(self, shapes: Mapping[str, torch.Size]) -> None:
        """Raises ValueError unless every parameter has its state: a missing one would silently restart from zero."""
        expected = {f"{kind}.{name}": shapes[name] if kind in MOMENTS else () for name in shapes for kind in STATES}
        for key, value in self.optimizer.items():
            if key not in expected or value.shape != expected[key]:
                raise ValueError(f"optimizer state {key} fits no parameter")
        if missing := sorted(expected.keys() - self.optimizer.keys()):
            raise ValueError(f"optimizer state {missing[0]} is missing")

    def build(self, *, backend: str, device: str, averaged: bool = True) -> Backbone:
        """Returns the network in evaluation mode, with the averaged weights or the last ones.

        Raises ValueError for an unknown backend, and for weights that do not fit the model.
        """
        architecture, config = self.choice
        with torch.device(device):
            network = architecture(config, backend=backend)
        return load_published(network, self.averages if averaged else self.weights).eval().requires_grad_(False)
