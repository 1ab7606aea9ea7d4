"""Preview of a training: a few images generated with the averaged weights."""

from __future__ import annotations

from pathlib import Path

from dig_bench.sample.images import Images
from dig_bench.sample.run import Request, sample
from dig_bench.train.checkpoint import Checkpoint
from dig_models.samplers import Sampling

SAMPLER_STEPS = 20


def preview(
    checkpoint: Checkpoint, count: int, *, vae: Path | None, backend: str, precision: str, device: str
) -> Images | None:
    """Generates `count` images, in equal parts per class, in the main process; returns None in the others.

    All processes must call this. Pass the precision of the training, since its backend may support no other.
    """
    sampling = Sampling(sampler="ddim", steps=SAMPLER_STEPS, clip=not checkpoint.is_of_latents)
    labels = [number % checkpoint.num_classes for number in range(count)]
    request = Request(labels=labels, sampling=sampling, backend=backend, precision=precision, vae=vae)
    found = sample(checkpoint, request, device=device)
    return found.images if found else None
