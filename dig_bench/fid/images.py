"""Reads images to score: a folder, an .npz as ADM's evaluator reads it, or the embedded digits. Never resizes them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dig_bench.sample.images import Images, to_uint8
from dig_bench.train.data.decode import SUFFIXES, is_image, read_rgb

DIGITS = "digits"


# N images, C channels, H W height and width
def read(source: str) -> Images:
    """Returns images, uint8 (N, C, H, W). Raises ValueError if there are none, or for broken images or mixed sizes."""
    if source == DIGITS:
        import torch

        from dig_bench.train import data

        return to_uint8(torch.as_tensor(data.digits().images))
    path = Path(source)
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".npz" and path.is_file():
        return _npz(path)
    raise ValueError(f"no images at {source!r}: pass a folder, an .npz, or {DIGITS}")


def _folder(path: Path) -> Images:
    files = sorted(file for file in path.rglob("*") if is_image(file))
    if not files:
        raise ValueError(f"no images in {path}: their names end in {', '.join(SUFFIXES)}")
    images: list[Images] = []
    for file, image in zip(files, map(_decoded, files), strict=True):
        if images and image.shape != images[0].shape:
            raise ValueError(
                f"{file} is {_size(image)}, {files[0].name} {_size(images[0])}: all images must have one size"
            )
        images.append(image)
    return np.stack(images)


def _decoded(file: Path) -> Images:
    """Returns an image as RGB, (3, H, W), since a folder may mix gray and color images."""
    return np.asarray(read_rgb(file), dtype=np.uint8).transpose(2, 0, 1)


def _size(image_CHW: Images) -> str:
    return f"{image_CHW.shape[2]} x {image_CHW.shape[1]} px"


def _npz(path: Path) -> Images:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images_NHWC = next(arrays[name] for name in _names(arrays.files))
    except StopIteration:
        raise ValueError(f"{path} is empty") from None
    # numpy raises many errors for a broken .npz, some with advice to unpickle it; an .npy has no `files`.
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError):
        raise ValueError(f"{path} is not an .npz of plain arrays") from None
    if not isinstance(images_NHWC, np.ndarray):
        raise ValueError(f"{path} is not an .npz of plain arrays")
    if images_NHWC.size == 0:
        raise ValueError(f"{path} holds no images")
    if images_NHWC.dtype != np.uint8 or images_NHWC.ndim != 4 or images_NHWC.shape[-1] not in (1, 3):
        raise ValueError(
            f"{path}: images must be uint8 (N, H, W, 3), not {images_NHWC.dtype} of shape {images_NHWC.shape}"
        )
    images_NCHW: Images = np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2))
    return images_NCHW


def _names(files: list[str]) -> Iterator[str]:
    """Yields the names, `arr_0` first: numpy's default name, which ADM reads."""
    yield from sorted(files, key=lambda name: name != "arr_0")
