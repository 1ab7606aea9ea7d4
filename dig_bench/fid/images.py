"""Images to score: a folder of them, an .npz as ADM's evaluator takes it, or the embedded digits. Never resized."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dig_bench.sample.images import Images, to_uint8
from dig_bench.train.data.decode import read_rgb

DIGITS = "digits"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


# N images, C channels, H W height and width
def read(source: str) -> Images:
    """uint8 (N, C, H, W). ValueError, in one line, for a source without images, with broken ones or of mixed sizes."""
    if source == DIGITS:
        import torch

        from dig_bench.train import data

        return to_uint8(torch.as_tensor(data.digits().images))
    path = Path(source)
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".npz" and path.is_file():
        return _npz(path)
    raise ValueError(f"no images at {source!r}: take a folder, an .npz, or {DIGITS}")


def _folder(path: Path) -> Images:
    found = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    files = sorted(found)
    if not files:
        raise ValueError(f"no images in {path}: they end in {', '.join(SUFFIXES)}")
    images: list[Images] = []
    for file, image in zip(files, map(_decoded, files), strict=True):
        if images and image.shape != images[0].shape:
            raise ValueError(f"{file} is {_size(image)}, {files[0].name} {_size(images[0])}: images are of one size")
        images.append(image)
    return np.stack(images)


def _decoded(file: Path) -> Images:
    """(3, H, W). Everything as RGB: a folder may hold grey images beside coloured ones."""
    return np.asarray(read_rgb(file), dtype=np.uint8).transpose(2, 0, 1)


def _size(image_CHW: Images) -> str:
    return f"{image_CHW.shape[2]} x {image_CHW.shape[1]} px"


def _npz(path: Path) -> Images:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images_NHWC = next(arrays[name] for name in _names(arrays.files))
    except StopIteration:
        raise ValueError(f"{path} is empty") from None
    # numpy has many words for what is no .npz, advice to unpickle it among them; an .npy has no `files`.
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError):
        raise ValueError(f"{path} is no .npz of plain arrays") from None
    if not isinstance(images_NHWC, np.ndarray):
        raise ValueError(f"{path} is no .npz of plain arrays")
    if images_NHWC.size == 0:
        raise ValueError(f"{path} holds no images")
    if images_NHWC.dtype != np.uint8 or images_NHWC.ndim != 4 or images_NHWC.shape[-1] not in (1, 3):
        raise ValueError(f"{path}: images are uint8 (N, H, W, 3), not {images_NHWC.dtype} of shape {images_NHWC.shape}")
    images_NCHW: Images = np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2))
    return images_NCHW


def _names(files: list[str]) -> Iterator[str]:
    """`arr_0` first, which is where numpy puts an array without a name, and ADM looks."""
    yield from sorted(files, key=lambda name: name != "arr_0")
