"""What is trained on: the digits that come with the package, a folder of images, or latents that were made of one."""

from __future__ import annotations

from pathlib import Path

from dig_bench.train.data import latents
from dig_bench.train.data.embedded import Digits, digits
from dig_bench.train.data.folder import ImageFolder
from dig_bench.train.data.latents import Latents
from dig_bench.train.data.source import Labelled, Source, loaded

__all__ = ["Digits", "ImageFolder", "Labelled", "Latents", "Source", "digits", "find", "loaded"]


def find(path: Path | None, *, image_size: int | None) -> Source:
    """Without a path the digits. `image_size`, in pixels, is for images; of others it is only checked.

    ValueError, in one line, for what holds none of these.
    """
    if path is not None and not path.is_dir():
        raise ValueError(f"no folder at {path}")
    if path is not None and not (path / latents.ABOUT).is_file():
        if image_size is None:
            raise ValueError(f"say by --res to how many pixels the images of {path} are cropped")
        return ImageFolder(path, image_size=image_size)
    source: Source = Digits() if path is None else Latents(path)
    if image_size not in (None, source.image_size):
        raise ValueError(f"{source.name} has images of {source.image_size} px, not {image_size}")
    return source
