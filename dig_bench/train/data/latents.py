"""Latents on disk, as `dig-bench encode` writes them: shards of safetensors, and latents.json, which says what of.

A shard has `latents`, fp32 (N, 2, C, H, W), of each image and of its mirror image, scaled to about unit variance; and
`labels`, int64 (N,). All shards but the last have as many.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dig_bench.files import json_codec
from dig_bench.files.atomic import write_whole
from dig_bench.train.data.order import Pick
from dig_bench.train.data.source import Source, name_of

ABOUT = "latents.json"


@dataclass(frozen=True, kw_only=True)
class About:
    """What has to be the same for shards to lie in one folder."""

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
            raise ValueError("there is one image, of one class and one pixel, at least")

    @property
    def num_shards(self) -> int:
        return -(-self.num_images // self.shard_size)

    def span(self, shard: int) -> range:
        """Numbers of its images."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.num_images))


def shard_file(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.safetensors"


def has_shards(folder: Path) -> bool:
    """Of whatever latents, whole or broken."""
    return any(folder.glob("shard-*.safetensors"))


def write_about(folder: Path, about: About) -> None:
    write_whole(folder / ABOUT, (json.dumps(asdict(about), indent=2) + "\n").encode())


def read_about(folder: Path) -> About:
    """ValueError, in one line, for a file that is missing or says something else."""
    try:
        return json_codec.build(About, json_codec.parse((folder / ABOUT).read_bytes()))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder / ABOUT} does not say what the latents are: {error}") from None


def open_shard(folder: Path, about: About, shard: int) -> Any:
    """ValueError, in one line, for a file that is broken, or has latents of another number or shape."""
    from safetensors import SafetensorError, safe_open

    path, remedy = shard_file(folder, shard), "delete that file, and the same `dig-bench encode` makes it anew"
    try:
        opened = safe_open(path, framework="pt")
        shapes = tuple(tuple(opened.get_slice(name).get_shape()) for name in ("latents", "labels"))
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no shard of latents: {error}; {remedy}") from None
    count = len(about.span(shard))
    if shapes != ((count, 2, *about.latent_shape), (count,)):
        raise ValueError(
            f"{path} holds latents of shape {shapes[0]} and labels of {shapes[1]}, not as {ABOUT} says; {remedy}"
        )
    return opened


class Latents(Source):
    """ValueError, in one line, for a folder that lacks shards, and for a shard that is broken."""

    of_latents = True

    def __init__(self, path: Path) -> None:
        self.path, self.about = path, read_about(path)
        self.name, self.shape = name_of(path), self.about.latent_shape
        self.image_size = self.about.image_size
        self.digest = f"{self.about.images} {self.about.vae} {self.about.seed}"
        self.num_classes = len(self.about.classes)
        self._shards: dict[int, Any] = {}
        missing = [shard for shard in range(self.about.num_shards) if not shard_file(path, shard).is_file()]
        if missing:
            raise ValueError(
                f"{path} lacks {len(missing)} of {self.about.num_shards} shards: the same `dig-bench encode` goes on"
            )

    def __len__(self) -> int:
        return self.about.num_images

    def load(self, pick: Pick) -> tuple[Tensor, int]:
        shard, place = divmod(pick.number, self.about.shard_size)
        file = self._opened(shard)
        return file.get_slice("latents")[place, int(pick.flipped)], int(file.get_slice("labels")[place : place + 1])

    def _opened(self, shard: int) -> Any:
        """Mapped into memory once: what is read is what is asked for."""
        if shard not in self._shards:
            self._shards[shard] = open_shard(self.path, self.about, shard)
        return self._shards[shard]
