"""Parts of model names: family and size, and the order in which both are listed."""

from __future__ import annotations

import re
from collections.abc import Sequence

FAMILIES = ("DiG", "DiT", "DiS", "U-DiG")
SIZES = ("S", "B", "M", "L", "XL", "H")

_NAME = re.compile(r"(?P<family>.+?)-(?P<size>[A-Za-z0-9]+/\d+)(?P<variant>.*)")


def split(model: str) -> tuple[str, str]:
    """Splits a model's name into family and size: `U-DiG-S/2` -> (`U-DiG`, `S/2`).

    A variant (`DiG-S/2-skip`) belongs to its family; a model without a size is its own family.
    """
    match = _NAME.fullmatch(model)
    return (match["family"], match["size"]) if match else (model, "")


def size_rank(size: str) -> int:
    """Returns the position of `S/2` among the sizes, smallest first; unknown sizes come last."""
    return place(size.split("/")[0], SIZES)


def place(value: str, choices: Sequence[str]) -> int:
    """Returns the index of a value among the choices, or their number if it is none of them."""
    return choices.index(value) if value in choices else len(choices)
