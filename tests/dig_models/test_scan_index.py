"""Scan orders as an index map, compared with the flips and transposes of the layer."""

import pytest
import torch

from dig_models.kernels.scan_index import scan_index
from dig_models.layers.scan_order import ScanOrder


@pytest.mark.parametrize("grid", [(1, 1), (3, 3), (2, 5)])
@pytest.mark.parametrize("order", list(ScanOrder))
def test_the_index_map_equals_the_scan(grid: tuple[int, int], order: ScanOrder) -> None:
    tokens = grid[0] * grid[1]
    x_BTD = torch.arange(2 * tokens * 3).view(2, tokens, 3)
    token_T = scan_index(grid, order)
    assert torch.equal(x_BTD[:, token_T], order.scan(x_BTD, grid))
    assert torch.equal(order.scan(x_BTD, grid)[:, torch.argsort(token_T)], x_BTD)
