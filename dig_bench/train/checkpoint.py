"""Checkpoints: one file of safetensors with the parameters, their averages, what it takes to build the network, and to
go on training it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dig_bench.files import json_codec
from dig_bench.train import models, tensor_file
from dig_models import CATALOG, Backbone, Model, load_published

FORMAT = "dig-bench 1"

IF_PUBLISHED = "of a published one say --model and --res"

KINDS = ("weights", "averages", "optimizer")
"""Of tensors; a name in the file begins with one."""

MOMENTS = ("exp_avg", "exp_avg_sq")
STATES = ("step", *MOMENTS)
"""What AdamW keeps of a parameter."""

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

    channels: int = 1
    """Of the images that a network of pixels is for."""
    optimizer: StateDict = field(default_factory=dict)
    """`exp_avg.blocks.0...` and the like; empty when there is nothing to go on from."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """The settings that decide the losses: a run goes on under the same ones only. With the number of steps, the seed
    among them is all there is of random state, and of the position in the data: every draw is a function of the two."""

    @property
    def choice(self) -> Model:
        """The architecture, and its config for these images. ValueError for an unknown model."""
        return models.sized(
            self.model, image_size=self.image_size, num_classes=self.num_classes, channels=self.channels
        )

    @property
    def is_of_latents(self) -> bool:
        return self.model in CATALOG

    def check(self) -> None:
        """ValueError for an unknown model, and for parameters or an optimiser's state of another network."""
        if min(self.image_size, self.num_classes, self.channels) < 1 or self.step < 0:
            raise ValueError("images have one pixel, one class and one channel at least, and no step is negative")
        architecture, config = self.choice
        # Shapes alone: nothing is computed, nor copied.
        with torch.device("meta"):
            network = architecture(config, backend=next(iter(architecture.backends)))
        for kind, state in (("weights", self.weights), ("averages", self.averages)):
            for name, value in state.items():
                if not value.is_floating_point():
                    raise ValueError(f"{kind}.{name} is of {value.dtype}, no floating-point numbers")
            load_published(network, {name: value.to("meta") for name, value in state.items()})
        if self.optimizer:
            self._check_optimizer({name: value.shape for name, value in network.named_parameters()})

    def _check_optimizer(self, shapes: Mapping[str, torch.Size]) -> None:
        """Of every parameter all that AdamW keeps, and nothing else: what is missing would begin anew, unsaid."""
        expected = {f"{kind}.{name}": shapes[name] if kind in MOMENTS else () for name in shapes for kind in STATES}
        for key, value in self.optimizer.items():
            if key not in expected or value.shape != expected[key]:
                raise ValueError(f"the optimiser's {key} fits no parameter")
        if missing := sorted(expected.keys() - self.optimizer.keys()):
            raise ValueError(f"the optimiser's {missing[0]} is missing")

    def build(self, *, backend: str, device: str, averaged: bool = True) -> Backbone:
        """In evaluation mode. ValueError for unknown backends, and for parameters of another network."""
        architecture, config = self.choice
        with torch.device(device):
            network = architecture(config, backend=backend)
        return load_published(network, self.averages if averaged else self.weights).eval().requires_grad_(False)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Readers see the file that was there or the new one, never a part. ValueError, and nothing is written, for
    parameters that are not finite."""
    # Copies: safetensors refuses tensors that share memory, as weights and averages may.
    tensors = {
        f"{kind}.{name}": value.detach().contiguous().to("cpu", copy=True)
        for kind in KINDS
        for name, value in getattr(checkpoint, kind).items()
    }
    if broken := next((name for name, value in tensors.items() if not value.isfinite().all()), None):
        raise ValueError(f"{broken} is not finite at step {checkpoint.step}: {path} is left as it was")
    about = {each.name: getattr(checkpoint, each.name) for each in fields(Checkpoint) if each.name not in KINDS}
    tensor_file.write(path, tensors, {"format": FORMAT, "about": json.dumps(about)})


def load(path: Path, *, to_go_on: bool = False) -> Checkpoint:
    """With the optimiser's state only `to_go_on`. ValueError, in one line, for a missing or broken file, and for one
    that is no checkpoint of this project."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    states: dict[str, dict[str, Tensor]] = {kind: {} for kind in KINDS}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"{path} is no checkpoint of dig-bench: {IF_PUBLISHED}")
            for key in file.keys():  # noqa: SIM118
                kind, _, name = key.partition(".")
                if kind != "optimizer" or to_go_on:
                    states.setdefault(kind, {})[name] = file.get_tensor(key)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no file of safetensors: {error}; {IF_PUBLISHED}") from None
    with said_of(str(path)):
        about = json_codec.build(dict[str, Any], json_codec.parse(metadata.get("about", "{}")))
        found = json_codec.build(Checkpoint, about | states)
        found.check()
    return found


def is_ours(path: Path) -> bool:
    """Whether a file says that it is a checkpoint of this project."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def published(path: Path, *, model: str, image_size: int, num_classes: int = 1000, channels: int = 1) -> Checkpoint:
    """One of DiT's, DiG's or DiS's published files, which do not say what they are. ValueError for one of another."""
    from dig_models.published import read_checkpoint

    state = read_checkpoint(path)
    found = Checkpoint(
        model=model,
        data="published",
        image_size=image_size,
        num_classes=num_classes,
        channels=channels,
        step=0,
        weights=state,
        averages=state,
    )
    with said_of(f"{path} as {model} of {image_size} px"):
        found.check()
    return found


@contextmanager
def said_of(what: str) -> Iterator[None]:
    """What does not fit is said of the file, or of the option, that it came by."""
    try:
        yield
    # PyTorch's, for sizes beyond reason.
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{what}: {error}") from None
