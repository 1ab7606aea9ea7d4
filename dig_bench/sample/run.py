"""Samples of a checkpoint, by one process or by several that share the images among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from dig_bench.sample.images import Images, sample_images
from dig_bench.train import vae
from dig_bench.train.checkpoint import Checkpoint
from dig_models import graphed
from dig_models.catalog import DTYPES
from dig_models.samplers import Sampling
from dig_models.vae import decoder


@dataclass(frozen=True, kw_only=True)
class Request:
    labels: Sequence[int]
    sampling: Sampling
    seed: int = 0
    batch_size: int = 64
    backend: str | None = None
    """None for what suits device and precision."""
    precision: str = "fp32"
    averaged: bool = True
    vae: Path | None = None
    """A local folder; for checkpoints of latents."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    images: Images
    """uint8 (N, C, H, W), in the order of the labels."""
    images_per_s: float
    """All processes together, without building the network and the first call of each part, which compiles."""


def sample(
    checkpoint: Checkpoint,
    request: Request,
    *,
    device: str,
    after_step: Callable[[], None] = lambda: None,
) -> Samples | None:
    """None in processes other than the first, which `accelerate launch` and `torchrun` start.

    On a GPU the network runs as CUDA graphs. ValueError for a checkpoint of latents without a VAE, or of pixels with
    one, and for what Checkpoint.build and draw refuse.
    """
    rank, processes = _process()
    if checkpoint.is_of_latents and request.vae is None:
        raise ValueError(f"{checkpoint.model} draws latents: name a local folder of their VAE by --vae")
    if request.vae and not checkpoint.is_of_latents:
        raise ValueError(f"{checkpoint.model} draws pixels, and has no use for a VAE")
    architecture = checkpoint.choice.architecture
    backend = request.backend or architecture.suited_backend(device=device, precision=request.precision)
    if backend in architecture.backends and (
        reason := architecture.unavailable(backend, device=device, precision=request.precision)
    ):
        raise ValueError(f"{checkpoint.model} cannot be drawn from by this backend: {reason}")
    device = _own_gpu() if device == "cuda" else device
    model = checkpoint.build(backend=backend, device=device, averaged=request.averaged).to(DTYPES[request.precision])
    decode = decoder(vae.load(request.vae, device=device)) if checkpoint.is_of_latents and request.vae else None
    network = graphed(model) if device != "cpu" else model
    numbers = range(len(request.labels))[rank::processes]

    def drawn(numbers: Sequence[int], sampling: Sampling, **how: Any) -> Images:
        if not numbers:
            return np.empty((0, 1, 1, 1), dtype=np.uint8)
        return sample_images(
            network,
            model.config,
            [request.labels[number] for number in numbers],
            sampling,
            seed=request.seed,
            indices=numbers,
            batch_size=request.batch_size,
            device=device,
            dtype=DTYPES[request.precision],
            **({"decode": decode} if decode else {}) | how,
        )

    drawn(numbers[: request.batch_size], replace(request.sampling, steps=1))
    begin = perf_counter()
    images = drawn(numbers, request.sampling, after_step=after_step)
    whole = _gathered(images, len(request.labels), processes)
    if rank:
        return None
    return Samples(images=whole, images_per_s=len(whole) / (perf_counter() - begin))


def _process() -> tuple[int, int]:
    """Rank and number, as launchers say them."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _own_gpu() -> str:
    """The launcher's choice, made current: kernels are launched on the current one, wherever their tensors lie."""
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    torch.cuda.set_device(local_rank)
    return f"cuda:{local_rank}"


def _gathered(share: Images, count: int, processes: int) -> Images:
    """Every process's share, back in order; the share of this one where there is no other."""
    if processes == 1:
        return share
    from accelerate import PartialState
    from accelerate.utils import gather_object

    PartialState(cpu=not torch.cuda.is_available())
    shares = gather_object([share])
    # The first process has an image, whoever else has none.
    whole = np.empty((count, *shares[0].shape[1:]), dtype=np.uint8)
    for rank, each in enumerate(shares):
        whole[rank::processes] = each
    return whole
