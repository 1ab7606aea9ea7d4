"""SREM's four scan orders, and its depthwise convolution (arXiv 2405.18428, section 4.2).

The published code flips the tokens after every block and transposes them after every second block, so that block i sees
order i % 4. Here the tokens stay in image order. A causal mixer reads them in another order, and the convolution
rotates its nine weights instead of the image. The results are the same, and nothing outside the mixer moves data.
"""

from enum import IntEnum

import torch
from torch import Tensor, nn

from dig_models.kernels.residual_conv import RESIDUAL_CONV


# B batch, T tokens of a grid of rows x columns, D width
class ScanOrder(IntEnum):
    """Scan order of a block. Block i has the order i % 4."""

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
        """Reorders tokens from image order to this order."""
        if self.is_transposed:
            x_BTD = _transpose(x_BTD, grid)
        return x_BTD.flip(1) if self.is_reversed else x_BTD

    def unscan(self, x_BTD: Tensor, grid: tuple[int, int]) -> Tensor:
        """Reorders tokens from this order to image order."""
        if self.is_reversed:
            x_BTD = x_BTD.flip(1)
        return _transpose(x_BTD, grid[::-1]) if self.is_transposed else x_BTD


def _transpose(x_BTD: Tensor, grid: tuple[int, int]) -> Tensor:
    return x_BTD.unflatten(1, grid).transpose(1, 2).flatten(1, 2)


class DepthwiseConv(nn.Conv2d):
    """Gated residual, then a 3x3 depthwise convolution with bias over the token grid. Initialized as identity."""

    def __init__(self, width: int, residual_conv: str = "reference") -> None:
        super().__init__(width, width, kernel_size=3, padding=1, groups=width)
        self.residual_conv = residual_conv
        with torch.no_grad():
            self.weight.zero_()
            self.weight[:, :, 1, 1] = 1
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(  # type: ignore[override]
        self, x_BTD: Tensor, gate_BD: Tensor, y_BTD: Tensor, grid: tuple[int, int], order: ScanOrder
    ) -> Tensor:
        """Convolves x + gate * y, (B, T, D)."""
        convolve = RESIDUAL_CONV[self.residual_conv]
        z_BTD: Tensor = convolve(x_BTD, gate_BD, y_BTD, self.weight, self.bias, grid, order)
        return z_BTD
