"""Checkpoints: one file of safetensors with the parameters, their averages, and what it takes to build the network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dig_bench.train import models
from dig_models import CATALOG, Backbone, Model, load_published, suggest
from dig_models.catalog import PIXELS_PER_LATENT

FORMAT = "dig-bench 1"

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Nothing in it depends on the backend that trained it."""

    model: str
    """DiG-S/2 of the catalogue, or DiG-T/2 of the networks for digits."""
    data: str
    """What it was trained on: `digits`, else a name of the user's."""
    image_size: int
    """Pixels along a side."""
    num_classes: int
    step: int
    weights: StateDict
    averages: StateDict

    @property
    def choice(self) -> Model:
        """The architecture, and its config for these images. ValueError for an unknown model."""
        if self.model in models.FOR_DIGITS:
            return models.FOR_DIGITS[self.model]
        if self.model not in CATALOG:
            raise ValueError(f"no model {suggest(self.model, [*CATALOG, *models.FOR_DIGITS])}")
        architecture, config = CATALOG[self.model]
        latent_size = self.image_size // PIXELS_PER_LATENT
        return Model(architecture, replace(config, latent_size=latent_size, num_classes=self.num_classes))

    @property
    def is_of_latents(self) -> bool:
        return self.model in CATALOG

    def build(self, *, backend: str, device: str, averaged: bool = True) -> Backbone:
        """In evaluation mode. ValueError for unknown backends, and for parameters of another network."""
        architecture, config = self.choice
        with torch.device(device):
            network = architecture(config, backend=backend)
        return load_published(network, self.averages if averaged else self.weights).eval().requires_grad_(False)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Readers see the file that was there or the new one, never a part. ValueError, and nothing is written, for
    parameters that are not finite."""
    from safetensors.torch import save_file

    # Copies: safetensors refuses tensors that share memory, as weights and averages may.
    tensors = {
        f"{kind}.{name}": value.detach().contiguous().to("cpu", copy=True)
        for kind, state in (("weights", checkpoint.weights), ("averages", checkpoint.averages))
        for name, value in state.items()
    }
    if broken := next((name for name, value in tensors.items() if not value.isfinite().all()), None):
        raise ValueError(f"{broken} is not finite at step {checkpoint.step}: {path} is left as it was")
    about = {name: getattr(checkpoint, name) for name in ("model", "data", "image_size", "num_classes", "step")}
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={"format": FORMAT, "about": json.dumps(about)})
    os.replace(partial, path)


def load(path: Path) -> Checkpoint:
    """ValueError, in one line, for a missing or broken file, and for one that is no checkpoint of this project."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no file of safetensors: {error}") from None
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} is no checkpoint of dig-bench: say of which --model and --res it is")
    states = {
        kind: {name.removeprefix(kind + "."): value for name, value in tensors.items() if name.startswith(kind + ".")}
        for kind in ("weights", "averages")
    }
    about: dict[str, Any] = json.loads(metadata["about"])
    return Checkpoint(**about, weights=states["weights"], averages=states["averages"])


def published(path: Path, *, model: str, image_size: int, num_classes: int = 1000) -> Checkpoint:
    """One of DiT's, DiG's or DiS's published files, which do not say what they are."""
    from dig_models.published import read_checkpoint

    state = read_checkpoint(path)
    return Checkpoint(
        model=model,
        data="published",
        image_size=image_size,
        num_classes=num_classes,
        step=0,
        weights=state,
        averages=state,
    )
