"""SREM's four scan orders, and its depthwise convolution (arXiv 2405.18428, section 4.2).

The published code flips the tokens after every block and transposes them after every second one, so that block i sees
order i % 4. Here tokens stay where they are in the image. A causal mixer reads them in another order, and the
convolution turns its nine weights instead of the image: the same numbers, and no reordering outside the mixer.
"""

from enum import IntEnum

import torch
import torch.nn.functional as F
from torch import Tensor, nn


# B batch, T tokens of a grid of rows x columns, D width
class ScanOrder(IntEnum):
    """How block i walks over the image; the value is i % 4."""

    ROWS = 0
    ROWS_REVERSED = 1
    COLUMNS = 2
    COLUMNS_REVERSED = 3

    @staticmethod
    def of_block(index: int) -> "ScanOrder":
        return ScanOrder(index % 4)

    @property
    def is_reversed(self) -> bool:
        return self in (ScanOrder.ROWS_REVERSED, ScanOrder.COLUMNS_REVERSED)

    @property
    def is_transposed(self) -> bool:
        return self in (ScanOrder.COLUMNS, ScanOrder.COLUMNS_REVERSED)

    def scan(self, x_BTD: Tensor, grid: tuple[int, int]) -> Tensor:
        """Image order -> this order."""
        if self.is_transposed:
            x_BTD = _transpose(x_BTD, grid)
        return x_BTD.flip(1) if self.is_reversed else x_BTD

    def unscan(self, x_BTD: Tensor, grid: tuple[int, int]) -> Tensor:
        """This order -> image order."""
        if self.is_reversed:
            x_BTD = x_BTD.flip(1)
        return _transpose(x_BTD, grid[::-1]) if self.is_transposed else x_BTD

    def turn(self, weight_D133: Tensor) -> Tensor:
        """The weights that do to the image in image order what `weight_D133` does to it in this order."""
        if self.is_reversed:
            weight_D133 = weight_D133.flip(-1, -2)
        return weight_D133.transpose(-1, -2) if self.is_transposed else weight_D133


def _transpose(x_BTD: Tensor, grid: tuple[int, int]) -> Tensor:
    return x_BTD.unflatten(1, grid).transpose(1, 2).flatten(1, 2)


class DepthwiseConv(nn.Conv2d):
    """3x3 depthwise convolution with bias over the token grid; starts as identity."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, kernel_size=3, padding=1, groups=width)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[:, :, 1, 1] = 1
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x_BTD: Tensor, grid: tuple[int, int], order: ScanOrder) -> Tensor:  # type: ignore[override]
        x_BDHW = x_BTD.transpose(1, 2).unflatten(2, grid)
        y_BDHW = F.conv2d(x_BDHW, order.turn(self.weight), self.bias, padding=1, groups=self.groups)
        return y_BDHW.flatten(2).transpose(1, 2)
