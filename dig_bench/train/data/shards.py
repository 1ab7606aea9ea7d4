"""Latents on disk, as `dig-bench encode` writes them: shards of safetensors, and latents.json, which describes them.

A shard holds `latents`, fp32 (N, 2, C, H, W), of each image and its mirror image, scaled to about unit variance, and
`labels`, int64 (N,). All shards but the last hold the same number of images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dig_bench.files import json_codec
from dig_bench.files.atomic import write_whole

ABOUT = "latents.json"


@dataclass(frozen=True, kw_only=True)
class About:
    """Description of latents. All shards in a folder share it."""

    num_images: int
    shard_size: int
    image_size: int
    """Pixels along a side, before the VAE."""
    latent_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    images: str
    """Digest of the images' names and sizes."""
    vae: str
    """Digest of the VAE's parameters."""
    scale: float
    seed: int

    def __post_init__(self) -> None:
        if min(self.num_images, self.shard_size, self.image_size, *self.latent_shape, len(self.classes)) < 1:
            raise ValueError("all numbers must be at least 1, and there must be a class")

    @property
    def num_shards(self) -> int:
        """Number of shard files."""
        return -(-self.num_images // self.shard_size)

    def span(self, shard: int) -> range:
        """Returns the numbers of a shard's images."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.num_images))


def shard_file(folder: Path, shard: int) -> Path:
    """Returns the path of a shard."""
    return folder / f"shard-{shard:05d}.safetensors"


def has_shards(folder: Path) -> bool:
    """Returns true if there is any shard, whole or broken."""
    return any(folder.glob("shard-*.safetensors"))


def write_about(folder: Path, about: About) -> None:
    """Writes latents.json."""
    write_whole(folder / ABOUT, json_codec.dumps(about, indent=2).encode())


def read_about(folder: Path) -> About:
    """Reads latents.json. Raises ValueError if it is missing or broken."""
    try:
        return json_codec.build(About, json_codec.parse((folder / ABOUT).read_bytes()))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder / ABOUT} does not describe latents: {error}") from None


def open_shard(folder: Path, about: About, shard: int) -> Any:
    """Opens a shard, memory-mapped. Raises ValueError if it is broken or does not match the description."""
    from safetensors import SafetensorError, safe_open

    path = shard_file(folder, shard)
    remedy = "delete the file, and run the same `dig-bench encode` to write it again"
    try:
        opened = safe_open(path, framework="pt")
        shapes = tuple(tuple(opened.get_slice(name).get_shape()) for name in ("latents", "labels"))
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a shard of latents: {error}; {remedy}") from None
    count = len(about.span(shard))
    if shapes != ((count, 2, *about.latent_shape), (count,)):
        raise ValueError(
            f"{path} holds latents of shape {shapes[0]} and labels of shape {shapes[1]}, unlike {ABOUT}; {remedy}"
        )
    return opened
