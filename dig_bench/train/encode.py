"""Encodes images to latents once, so that training need not run the VAE.

A shard depends on images, VAE and seed only. So an interrupted run resumes after the shards that are whole, and several
processes can divide the shards among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dig_bench.files.lock import FOLDER_LOCK
from dig_bench.train import tensor_file
from dig_bench.train.data import ImageFolder
from dig_bench.train.data.order import Pick
from dig_bench.train.data.shards import ABOUT, About, has_shards, open_shard, read_about, shard_file, write_about
from dig_bench.train.data.source import loaded
from dig_models.vae import SCALE


def described(images: ImageFolder, vae: Any, *, shard_size: int, seed: int) -> About:
    """Returns the description of the latents. Raises ValueError for an image size that the VAE cannot reduce evenly."""
    reduction = 2 ** (len(vae.config.block_out_channels) - 1)
    if images.image_size % reduction:
        raise ValueError(f"the VAE takes images of a multiple of {reduction} px, not {images.image_size}")
    side = images.image_size // reduction
    return About(
        num_images=len(images),
        shard_size=shard_size,
        image_size=images.image_size,
        latent_shape=(vae.config.latent_channels, side, side),
        classes=tuple(images.classes),
        images=images.digest,
        vae=_digest(vae),
        scale=SCALE,
        seed=seed,
    )


def prepare(folder: Path, about: About) -> None:
    """Writes latents.json, or checks it. Raises ValueError if the folder holds other latents or other files."""
    if (folder / ABOUT).exists():
        found = read_about(folder)
        if has_shards(folder):
            _check_same(found, about, folder)
        elif found != about:
            # An earlier run ended before its first shard.
            write_about(folder, about)
    elif any(each.name != FOLDER_LOCK for each in folder.iterdir()):
        raise ValueError(f"{folder} holds other files: choose an empty or new folder for latents")
    else:
        write_about(folder, about)


def write_shards(
    shards: Iterable[int], images: ImageFolder, vae: Any, about: About, folder: Path, *, batch_size: int, workers: int
) -> Iterator[int]:
    """Writes shards that are missing or broken. Yields the number of images of each batch, or of a whole shard.

    Raises ValueError for an image that cannot be read; finished shards remain.
    """
    for shard in shards:
        if _is_whole(folder, about, shard):
            yield len(about.span(shard))
        else:
            yield from _write(images, vae, about, folder, shard, batch_size, workers)


def _is_whole(folder: Path, about: About, shard: int) -> bool:
    """Returns true if the shard can be opened: its header states the file's length."""
    try:
        open_shard(folder, about, shard)
    except ValueError:
        return False
    return True


# B batch, C channels, H W height and width
def _write(
    images: ImageFolder, vae: Any, about: About, folder: Path, shard: int, batch_size: int, workers: int
) -> Iterator[int]:
    span = about.span(shard)
    latents = torch.empty(len(span), 2, *about.latent_shape)
    labels = torch.empty(len(span), dtype=torch.long)
    picked = [Pick(number, False) for number in span]
    batches = [picked[at : at + batch_size] for at in range(0, len(picked), batch_size)]
    for batch, read in zip(batches, loaded(images, batches, workers=workers), strict=True):
        place = slice(batch[0].number - span.start, batch[-1].number - span.start + 1)
        numbers = [pick.number for pick in batch]
        for flipped, image_BCHW in enumerate((read.images, read.images.flip(-1))):
            latents[place, flipped] = _encoded(vae, image_BCHW, numbers, flipped, about.seed)
        labels[place] = read.labels
        yield len(batch)
    tensor_file.write(shard_file(folder, shard), {"latents": latents, "labels": labels})


@torch.inference_mode()
def _encoded(vae: Any, image_BCHW: Tensor, numbers: list[int], flipped: int, seed: int) -> Tensor:
    """Returns scaled latents on the CPU, drawn from the VAE's posterior; the noise depends on the image only."""
    posterior = vae.encode(image_BCHW.to(vae.device, vae.dtype)).latent_dist
    noise = [_noise(posterior.mean.shape[1:], [seed, number, flipped]) for number in numbers]
    latent_BCHW: Tensor = posterior.mean.float().cpu() + posterior.std.float().cpu() * torch.stack(noise)
    if not latent_BCHW.isfinite().all():
        raise ValueError(f"a latent is not finite, of image number {numbers[0]} to {numbers[-1]}")
    return latent_BCHW * SCALE


def _noise(shape: torch.Size, key: list[int]) -> Tensor:
    return torch.from_numpy(np.random.default_rng(key).standard_normal(tuple(shape), dtype=np.float32))


def _check_same(found: About, wanted: About, folder: Path) -> None:
    for name, value in vars(wanted).items():
        if getattr(found, name) != value:
            there = getattr(found, name)
            raise ValueError(
                f"{folder} holds other latents: {name} is {there} there, {value} here; choose another --out"
            )


def _digest(vae: Any) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
