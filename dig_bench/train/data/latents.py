"""Source of latents that `dig-bench encode` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from dig_bench.train.data.order import Pick
from dig_bench.train.data.shards import open_shard, read_about, shard_file
from dig_bench.train.data.source import Source, name_of


class Latents(Source):
    """Latents in a folder. Raises ValueError if shards are missing, and while loading if one is broken."""

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
                f"{path} lacks {len(missing)} of {self.about.num_shards} shards: "
                "run the same `dig-bench encode` again to resume"
            )

    def __len__(self) -> int:
        return self.about.num_images

    def load(self, pick: Pick) -> tuple[Tensor, int]:
        shard, place = divmod(pick.number, self.about.shard_size)
        file = self._opened(shard)
        return file.get_slice("latents")[place, int(pick.flipped)], int(file.get_slice("labels")[place : place + 1])

    def _opened(self, shard: int) -> Any:
        """Returns the memory-mapped shard, opened on first use."""
        if shard not in self._shards:
            self._shards[shard] = open_shard(self.path, self.about, shard)
        return self._shards[shard]
