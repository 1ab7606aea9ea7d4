"""An image file as RGB: of 8 bits, since Pillow clips what has more to white or black without a word."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError


def read_rgb(file: Path) -> Image.Image:
    """ValueError for what is no image, is broken, too large, or has more than 8 bits a channel."""
    # To open a pipe would wait for somebody who writes into it.
    if not file.is_file():
        raise ValueError(f"{file} is no regular file")
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"8 bits a channel are expected, not Pillow's mode {image.mode}")
            return image.convert("RGB")
    # Pillow has no exception of its own for most of what a broken file does to it.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} is no image that can be read: {error}") from None
