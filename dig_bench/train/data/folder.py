"""Source of images in one folder per class, FOLDER/CLASS/image.png, cropped to squares as ADM does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dig_bench.train.data.decode import SUFFIXES, is_image, read_rgb
from dig_bench.train.data.order import Pick
from dig_bench.train.data.source import Source, name_of


class ImageFolder(Source):
    """RGB images of any size, cropped to `image_size` px. Raises ValueError for a folder without images by class."""

    def __init__(self, path: Path, *, image_size: int) -> None:
        if image_size < 1:
            raise ValueError(f"images must have at least one pixel, not {image_size}")
        self.path, self.image_size = path, image_size
        self.name, self.shape = name_of(path), (3, image_size, image_size)
        self.classes = _classes(path)
        self.files = [
            (file, label)
            for label, name in enumerate(self.classes)
            for file in sorted(path.joinpath(name).rglob("*"))
            if is_image(file)
        ]
        self.num_classes = len(self.classes)
        counts = np.bincount([label for _, label in self.files], minlength=self.num_classes)
        if not counts.all():
            raise ValueError(
                f"no images in {path / self.classes[int(counts.argmin())]}: their names end in {', '.join(SUFFIXES)}"
            )
        # Names in order, and sizes in bytes.
        listed = (f"{file.relative_to(path).as_posix()}\0{_size(file)}\n" for file, _ in self.files)
        self.digest = hashlib.sha256("".join(listed).encode(errors="surrogateescape")).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.files)

    def load(self, pick: Pick) -> tuple[Tensor, int]:
        file, label = self.files[pick.number]
        cropped = center_crop(read_rgb(file), self.image_size)
        image_HWC = np.array(cropped, dtype=np.float32) / 127.5 - 1
        image_CHW = torch.from_numpy(image_HWC).permute(2, 0, 1)
        return image_CHW.flip(-1) if pick.flipped else image_CHW.contiguous(), label


def center_crop(image: Image.Image, side: int) -> Image.Image:
    """Crops an image to a square as ADM does, and with it DiT and DiG.

    Halves it with a box filter while its short side is at least twice too long, resizes it bicubically, and cuts out
    the center.
    """
    while min(image.size) >= 2 * side:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    scale = side / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _size(file: Path) -> int:
    """Returns the size in bytes. Raises ValueError for a dangling link."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        if file.is_symlink():
            raise ValueError(f"{file} is a dangling link to {file.readlink()}") from None
        raise


def _classes(path: Path) -> list[str]:
    if not path.is_dir():
        raise ValueError(f"no folder at {path}")
    classes = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    loose = sorted(file.name for file in path.iterdir() if is_image(file))
    if loose:
        raise ValueError(f"{path / loose[0]} has no class: move it to one folder per class, {path}/CLASS/{loose[0]}")
    if not classes:
        raise ValueError(f"{path} is empty: put images in one folder per class, {path}/CLASS/image.png")
    return classes
