"""Start of a training: a checkpoint to resume, another network's weights, or freshly initialized ones."""

from __future__ import annotations

from pathlib import Path

import torch

from dig_bench.train import checkpoint_file, models
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.data import Source
from dig_bench.train.settings import Settings


def resume_or_fresh(
    model: str, source: Source, settings: Settings, *, backend: str, path: Path, initial: Checkpoint | None = None
) -> Checkpoint:
    """Returns the checkpoint at `path` to resume, or a fresh one if there is no file.

    Raises ValueError for a file of another run, for a broken file, and as `fresh` does.
    """
    if not path.exists():
        return fresh(model, source, settings, backend=backend, initial=initial)
    remedy = "choose another --out, or remove the file to start over"
    if not checkpoint_file.is_ours(path):
        raise ValueError(f"{path} is broken or not a checkpoint of dig-bench: {remedy}")
    try:
        found = checkpoint_file.load(path, with_optimizer=True)
    except ValueError as error:
        raise ValueError(f"{error}; {remedy}") from None
    about = {
        "model": model,
        "data": source.name,
        "image_size": source.image_size,
        "num_classes": source.num_classes,
        "channels": source.shape[0],
        **_determining(source, settings, initial),
    }
    there = {name: getattr(found, name, None) for name in about} | dict(found.run)
    for name, value in about.items():
        if there[name] != value:
            differs = f"{name} is {there[name]} there, {value} here"
            raise ValueError(f"{path} belongs to another run: {differs}; choose another --out")
    if not found.optimizer:
        raise ValueError(
            f"{path} has no optimizer state to resume from: choose another --out, and pass the file as --init"
        )
    return found


def fresh(model: str, source: Source, settings: Settings, *, backend: str, initial: Checkpoint | None) -> Checkpoint:
    """Returns a checkpoint at step 0 with the averages of `initial`, or with weights initialized from the seed.

    Raises ValueError for an unknown model, for data that does not suit it, and for an `initial` of another model.
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
        run=_determining(source, settings, initial),
    )
    if initial:
        with checkpoint_file.errors_about("--init"):
            start.check()
    return start


def initial_weights(path: Path, model: str, source: Source) -> Checkpoint:
    """Reads the file of --init: a checkpoint of dig-bench, or else a published one of `model`."""
    if checkpoint_file.is_ours(path):
        return checkpoint_file.load(path)
    return checkpoint_file.published(
        path,
        model=model,
        image_size=source.image_size,
        num_classes=source.num_classes,
        channels=source.shape[0],
    )


def _determining(source: Source, settings: Settings, initial: Checkpoint | None) -> dict[str, object]:
    """Returns everything that determines the losses: a run resumes only if it is the same."""
    name = f"{initial.model} {initial.data} step {initial.step}" if initial else None
    return {"images": len(source), "digest": source.digest, "initial": name, **settings.determining}


def _unsuited(model: str, source: Source) -> str:
    """Returns why a source cannot train a model, with a remedy."""
    channels, height, width = source.shape
    if model in models.FOR_DIGITS:
        return f"{model} takes pixels, but {source.name} has latents: choose a model of the catalogue, such as DiG-S/2"
    if not source.of_latents:
        return (
            f"{model} takes latents, but {source.name} has images: encode them with `dig-bench encode`, "
            "or choose a model for pixels, such as DiG-N/4"
        )
    return f"{model} does not take latents of shape {channels} x {height} x {width}, which {source.name} has"
