"""Generates images from a checkpoint, in one process or in several that share the images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from dig_bench.sample.images import Generator, Images
from dig_bench.train import vae
from dig_bench.train.checkpoint import Checkpoint
from dig_models import graphed
from dig_models.catalog import DTYPES
from dig_models.samplers import Sampling
from dig_models.vae import decoder


@dataclass(frozen=True, kw_only=True)
class Request:
    """Images to generate, and how."""

    labels: Sequence[int]
    sampling: Sampling
    seed: int = 0
    batch_size: int = 64
    backend: str | None = None
    """Backend of the network; None for the one that suits device and precision."""
    precision: str = "fp32"
    averaged: bool = True
    vae: Path | None = None
    """Local folder of the VAE, for a model of latents."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Generated images and the throughput."""

    images: Images
    """Images in the order of the labels, uint8 (N, C, H, W)."""
    images_per_s: float
    """Throughput of all processes, without building the network and without first calls, which compile."""


def sample(
    checkpoint: Checkpoint,
    request: Request,
    *,
    device: str,
    after_step: Callable[[], None] = lambda: None,
) -> Generated | None:
    """Generates images; on a GPU the network runs as CUDA graphs.

    Returns None in all processes but the main one, if `accelerate launch` or `torchrun` started several. Raises
    ValueError as `check_vae`, `Checkpoint.build` and `draw` do.
    """
    rank, processes = _process()
    check_vae(checkpoint, request.vae)
    architecture = checkpoint.choice.architecture
    backend = request.backend or architecture.suited_backend(device=device, precision=request.precision)
    if backend in architecture.backends and (
        reason := architecture.unavailable(backend, device=device, precision=request.precision)
    ):
        raise ValueError(f"{checkpoint.model} cannot run here: {reason}")
    device = _own_gpu() if device == "cuda" else device
    model = checkpoint.build(backend=backend, device=device, averaged=request.averaged).to(DTYPES[request.precision])
    generator = Generator(
        network=graphed(model) if device != "cpu" else model,
        config=model.config,
        batch_size=request.batch_size,
        device=device,
        dtype=DTYPES[request.precision],
        **({"decode": decoder(vae.load(request.vae, device=device))} if request.vae else {}),
    )
    numbers = range(len(request.labels))[rank::processes]

    def generated(numbers: Sequence[int], sampling: Sampling, **options: Any) -> Images:
        if not numbers:
            return np.empty((0, 1, 1, 1), dtype=np.uint8)
        labels = [request.labels[number] for number in numbers]
        return generator.images(labels, sampling, seed=request.seed, indices=numbers, **options)

    # Compiles and captures outside of the timed part.
    generated(numbers[: request.batch_size], replace(request.sampling, steps=1))
    begin = perf_counter()
    images = generated(numbers, request.sampling, after_step=after_step)
    whole = _gathered(images, len(request.labels), processes)
    if rank:
        return None
    return Generated(images=whole, images_per_s=len(whole) / (perf_counter() - begin))


def check_vae(checkpoint: Checkpoint, folder: Path | None) -> None:
    """Raises ValueError for a model of latents without a VAE, and for a model of pixels with one."""
    if checkpoint.is_of_latents and folder is None:
        raise ValueError(f"{checkpoint.model} generates latents: pass a local folder of their VAE as --vae")
    if folder and not checkpoint.is_of_latents:
        raise ValueError(f"{checkpoint.model} generates pixels and needs no --vae")


def _process() -> tuple[int, int]:
    """Returns this process's rank and the number of processes, as launchers set them."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _own_gpu() -> str:
    """Makes the GPU that the launcher chose the current one, on which kernels run, and returns its name."""
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    torch.cuda.set_device(local_rank)
    return f"cuda:{local_rank}"


def _gathered(share: Images, count: int, processes: int) -> Images:
    """Returns the images of all processes, in order."""
    if processes == 1:
        return share
    from accelerate import PartialState
    from accelerate.utils import gather_object

    PartialState(cpu=not torch.cuda.is_available())
    shares = gather_object([share])
    # Only the first process is sure to have an image.
    whole = np.empty((count, *shares[0].shape[1:]), dtype=np.uint8)
    for rank, each in enumerate(shares):
        whole[rank::processes] = each
    return whole
