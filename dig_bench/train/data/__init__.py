"""Training data: the embedded digits, a folder of images, or latents encoded from one."""

from __future__ import annotations

from pathlib import Path

from dig_bench.train.data import shards
from dig_bench.train.data.embedded import Digits, digits
from dig_bench.train.data.folder import ImageFolder
from dig_bench.train.data.latents import Latents
from dig_bench.train.data.source import Labelled, Source, loaded

__all__ = ["Digits", "ImageFolder", "Labelled", "Latents", "Source", "digits", "find", "loaded"]


def find(path: Path | None, *, image_size: int | None) -> Source:
    """Returns the source in a folder, or the embedded digits without a path.

    `image_size`, in pixels, is the size to crop images to; for other data it is only checked. Raises ValueError for
    a folder that holds neither images nor latents, and for another size.
    """
    if path is not None and not path.is_dir():
        raise ValueError(f"no folder at {path}")
    if path is not None and not (path / shards.ABOUT).is_file():
        if image_size is None:
            raise ValueError(f"set --res to the size in pixels that the images of {path} are cropped to")
        return ImageFolder(path, image_size=image_size)
    source: Source = Digits() if path is None else Latents(path)
    if image_size not in (None, source.image_size):
        raise ValueError(f"{source.name} has images of {source.image_size} px, not {image_size}")
    return source
