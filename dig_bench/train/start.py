"""What a training begins from: a network of its own, another one's parameters, or the place where it was stopped."""

from __future__ import annotations

from pathlib import Path

import torch

from dig_bench.train import checkpoint as files
from dig_bench.train import models
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.data import Source
from dig_bench.train.settings import Settings
from dig_models import suggest


def chosen(text: str, *, device: str, precision: str) -> tuple[str, str]:
    """`DiG-S/2@fused` -> model and backend; without an @ what suits device type and precision. ValueError, with the
    choices."""
    model, at, backend = text.partition("@")
    architecture = models.architecture(model)
    backend = backend if at else architecture.suited_backend(device=device, precision=precision)
    if backend not in architecture.backends:
        raise ValueError(f"{model} has no backend {suggest(backend, architecture.backends)}")
    if reason := architecture.unavailable(backend, device=device, mode="train", precision=precision):
        raise ValueError(f"{model}@{backend} cannot be trained here: {reason}")
    return model, backend


def begun(
    model: str, source: Source, settings: Settings, *, backend: str, path: Path, initial: Checkpoint | None = None
) -> Checkpoint:
    """What lies at the path, to go on from; a fresh start when nothing does.

    ValueError for what `fresh` refuses, and when something else lies there: a checkpoint of another run, or one that is
    broken.
    """
    if not path.exists():
        return fresh(model, source, settings, backend=backend, initial=initial)
    remedy = "take another --out, or remove the file to begin anew"
    if not files.is_ours(path):
        raise ValueError(f"{path} is no checkpoint of dig-bench, or a broken one: {remedy}")
    try:
        found = files.load(path, to_go_on=True)
    except ValueError as error:
        raise ValueError(f"{error}; {remedy}") from None
    about = {
        "model": model,
        "data": source.name,
        "image_size": source.image_size,
        "num_classes": source.num_classes,
        "channels": source.shape[0],
        **deciding(source, settings, initial),
    }
    there = {name: getattr(found, name, None) for name in about} | dict(found.run)
    for name, value in about.items():
        if there[name] != value:
            differs = f"{name} is {there[name]} there, {value} here"
            raise ValueError(f"{path} is of another run: {differs}; take another --out")
    if not found.optimizer:
        raise ValueError(f"{path} has no optimiser's state to go on from: take another --out, and the file by --init")
    return found


def fresh(model: str, source: Source, settings: Settings, *, backend: str, initial: Checkpoint | None) -> Checkpoint:
    """Step 0: the architecture's own start by the settings' seed, or the averages of `initial`.

    ValueError for an unknown model, for one that the data does not suit, and for an `initial` of another network.
    """
    channels = source.shape[0]
    architecture, config = models.sized(
        model, image_size=source.image_size, num_classes=source.num_classes, channels=channels
    )
    expected = (config.in_channels, config.latent_size, config.latent_size)
    if source.of_latents != (model not in models.FOR_DIGITS) or source.shape != expected:
        raise ValueError(_unsuited(model, source))
    torch.manual_seed(settings.seed)
    weights = initial.averages if initial else architecture(config, backend=backend).state_dict()
    start = Checkpoint(
        model=model,
        data=source.name,
        image_size=source.image_size,
        num_classes=source.num_classes,
        channels=channels,
        step=0,
        weights=weights,
        averages=weights,
        run=deciding(source, settings, initial),
    )
    if initial:
        with files.said_of("--init"):
            start.check()
    return start


def deciding(source: Source, settings: Settings, initial: Checkpoint | None = None) -> dict[str, object]:
    """What has to be the same for a run to go on."""
    begun = f"{initial.model} {initial.data} step {initial.step}" if initial else None
    return {"images": len(source), "digest": source.digest, "initial": begun, **settings.deciding}


def _unsuited(model: str, source: Source) -> str:
    """Why a source cannot train a model, and what can be done."""
    channels, height, width = source.shape
    if model in models.FOR_DIGITS:
        return f"{model} is for images of pixels, and {source.name} has latents: take a model of the catalogue, DiG-S/2"
    if not source.of_latents:
        return (
            f"{model} is for latents, and {source.name} has images: `dig-bench encode` makes latents of a folder, "
            "and DiG-N/4 is for images"
        )
    return f"{model} does not take latents of shape {channels} x {height} x {width}, which {source.name} has"
