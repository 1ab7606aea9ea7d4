"""Down- and upsampling of the token grid by two, for U-shaped backbones."""

import torch.nn.functional as F
from torch import Tensor, nn

from dig_models.layers.mlp import xavier_linear

Grid = tuple[int, int]


def half(grid: Grid) -> Grid:
    """Returns the grid after Downsample. Odd sides are rounded up."""
    return -(-grid[0] // 2), -(-grid[1] // 2)


# B batch, T tokens of a grid of R rows and C columns, D width
class Downsample(nn.Module):
    """Merges 2 x 2 tokens into one: (B, T, D) -> (B, T / 4, D'). Pads an odd side with zeros."""

    def __init__(self, width: int, to_width: int) -> None:
        super().__init__()
        self.linear = xavier_linear(4 * width, to_width)

    def forward(self, x_BTD: Tensor, grid: Grid) -> Tensor:
        x_BRCD = F.pad(x_BTD.unflatten(1, grid), (0, 0, 0, grid[1] % 2, 0, grid[0] % 2))
        windows = x_BRCD.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).transpose(2, 3)
        merged_BTD: Tensor = self.linear(windows.flatten(3).flatten(1, 2))
        return merged_BTD


class Upsample(nn.Module):
    """Splits a token into 2 x 2: (B, T / 4, D') -> (B, T, D). Cuts off the padding of Downsample."""

    def __init__(self, width: int, to_width: int) -> None:
        super().__init__()
        self.linear = xavier_linear(width, 4 * to_width)

    def forward(self, x_BTD: Tensor, grid: Grid) -> Tensor:
        """`grid` is the grid of the result."""
        windows = self.linear(x_BTD).unflatten(-1, (2, 2, -1)).unflatten(1, half(grid))
        x_BRCD = windows.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return x_BRCD[:, : grid[0], : grid[1]].flatten(1, 2)
