"""Options of `dig-bench sample`, in groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli import complete

MAX_IMAGES = 1_000_000
"""Limit, since all images stay in memory until they are written."""

images = partial(typer.Option, rich_help_panel="Images")
published = partial(typer.Option, rich_help_panel="Published checkpoints, which do not name their model")


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Images to generate, and how."""

    count: Annotated[int, images("--images", metavar="N", min=1, max=MAX_IMAGES, help="number of images")] = 100
    classes: Annotated[str | None, images(metavar="LIST", help="0,7,207 in turn; default: all classes")] = None
    sampler: Annotated[str, images(metavar="NAME", autocompletion=complete.samplers, help="ddpm, ddim or dpm++")] = (
        "ddpm"
    )
    steps: Annotated[int, images("--sampler-steps", metavar="N", help="sampler steps")] = 250
    guidance: Annotated[float, images(metavar="SCALE", help="classifier-free guidance; 1 disables it")] = 1.0
    seed: Annotated[
        int, images(metavar="N", min=0, help="image i of a seed is the same in any batch, on any number of GPUs")
    ] = 0
    ema: Annotated[bool, images(help="use the averaged weights, or the last ones")] = True
    batch: Annotated[int, images(metavar="N", min=1, help="images to generate at a time, on each GPU")] = 64
    backend: Annotated[str | None, images(metavar="NAME", help="default: the one that suits the device")] = None
    precision: Annotated[
        str, images(metavar="NAME", autocompletion=complete.precisions, help="fp32, tf32, bf16, fp16")
    ] = "fp32"
    vae: Annotated[Path | None, images(metavar="FOLDER", help="local AutoencoderKL, for models of latents")] = None

    def labels(self, num_classes: int) -> list[int]:
        """Returns the label of each image: the classes given, or all, in turn. Raises ValueError for unknown ones."""
        parts = [part.strip() for part in self.classes.split(",")] if self.classes is not None else []
        for part in parts:
            if not part.isdecimal() or int(part) >= num_classes:
                raise ValueError(f"--classes takes numbers from 0 to {num_classes - 1}, not {part!r}")
        chosen = [int(part) for part in parts] or list(range(num_classes))
        return [chosen[number % len(chosen)] for number in range(self.count)]


@dataclass(frozen=True, kw_only=True)
class PublishedOptions:
    """Model and resolution of a published checkpoint."""

    model: Annotated[str | None, published(metavar="NAME", autocompletion=complete.models, help="DiT-XL/2")] = None
    res: Annotated[int | None, published(metavar="PX", min=1, help="size of its images; default: 256")] = None
