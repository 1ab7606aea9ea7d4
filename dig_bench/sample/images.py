"""Generates images in batches, and writes them as a grid and as the .npz of ADM's evaluator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dig_bench.files import atomic
from dig_models import BackboneConfig
from dig_models.samplers import Network, Sampling, draw, generators_for

Images = NDArray[np.uint8]

GRID_GAP_PX = 2


# N images, B batch, C channels, H W height and width
@dataclass(frozen=True, kw_only=True)
class Generator:
    """Network that generates images, in batches of one size: the last one is padded.

    A CUDA graph or a compiled network then sees a single shape.
    """

    network: Network
    config: BackboneConfig
    batch_size: int = 64
    device: str | torch.device = "cpu"
    dtype: torch.dtype = torch.float32
    decode: Callable[[Tensor], Tensor] = lambda latent: latent
    """Turns latents of a batch into images in [-1, 1]."""

    def images(
        self,
        labels: Sequence[int],
        sampling: Sampling,
        *,
        seed: int = 0,
        indices: Sequence[int] | None = None,
        after_step: Callable[[], None] = lambda: None,
    ) -> Images:
        """Returns one image per label, uint8 (N, C, H, W).

        Image i is number `indices[i]` of the seed, or number i without indices. Calls `after_step` after each sampler
        step of each batch.
        """
        numbers = list(range(len(labels)) if indices is None else indices)
        assert len(numbers) == len(labels), "a number for each label"
        images = []
        for start in range(0, len(labels), self.batch_size):
            chosen = slice(start, start + self.batch_size)
            count = len(labels[chosen])
            padding = min(self.batch_size, len(labels)) - count
            latent_BCHW = draw(
                self.network,
                self.config,
                [*labels[chosen], *[labels[start]] * padding],
                sampling,
                generators=generators_for([*numbers[chosen], *[numbers[start]] * padding], seed=seed),
                device=self.device,
                dtype=self.dtype,
                after_step=after_step,
            )
            images.append(to_uint8(self.decode(latent_BCHW[:count])))
        return np.concatenate(images)


def to_uint8(image_BCHW: Tensor) -> Images:
    """Converts images from [-1, 1], clipped, to 0 .. 255."""
    images: Images = ((image_BCHW.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return images


def save_npz(path: Path, images_NCHW: Images, labels: Sequence[int]) -> None:
    """Writes the .npz of ADM's evaluator: arr_0, uint8 (N, H, W, 3), gray images with equal channels; arr_1, labels."""
    images_NHWC = np.repeat(images_NCHW, 3 // images_NCHW.shape[1], axis=1).transpose(0, 2, 3, 1)
    with atomic.replacing(path) as file:
        np.savez(file, np.ascontiguousarray(images_NHWC), np.asarray(labels, dtype=np.int64))


def save_grid(path: Path, images_NCHW: Images, *, columns: int | None = None) -> None:
    """Writes the images as one PNG, see `sheet`."""
    sheet_HWC = sheet(images_NCHW, columns=columns)
    image = Image.fromarray(sheet_HWC.squeeze(-1) if sheet_HWC.shape[-1] == 1 else sheet_HWC)
    with atomic.replacing(path) as file:
        image.save(file, format="PNG")


def sheet(images_NCHW: Images, *, columns: int | None = None) -> Images:
    """Returns a grid of the images, uint8 (H, W, C), row by row; about square without `columns`."""
    count, channels, height, width = images_NCHW.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet_HWC = np.zeros(
        (rows * (height + GRID_GAP_PX) - GRID_GAP_PX, columns * (width + GRID_GAP_PX) - GRID_GAP_PX, channels),
        dtype=np.uint8,
    )
    for place, image_CHW in enumerate(images_NCHW):
        top, left = (place // columns) * (height + GRID_GAP_PX), (place % columns) * (width + GRID_GAP_PX)
        sheet_HWC[top : top + height, left : left + width] = image_CHW.transpose(1, 2, 0)
    return sheet_HWC
