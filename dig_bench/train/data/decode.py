"""Image files, read by Pillow as RGB with 8 bits per channel. Pillow would silently clip images with more bits."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def is_image(file: Path) -> bool:
    """Returns true for a name that ends as images do. Names with a leading dot are metadata of other systems."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def read_rgb(file: Path) -> Image.Image:
    """Reads an image. Raises ValueError if it is broken, too large, not an image, or has over 8 bits per channel."""
    # Opening a named pipe would wait for a writer.
    if not file.is_file():
        raise ValueError(f"{file} is not a regular file")
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"8 bits per channel are expected, not Pillow's mode {image.mode}")
            return image.convert("RGB")
    # Pillow has no exception of its own for most of what a broken file causes.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} cannot be read as an image: {error}") from None
