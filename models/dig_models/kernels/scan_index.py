"""SREM's four scan orders as an index map, for kernels that leave the tokens in image order (arXiv 2405.18428)."""

import torch
from torch import Tensor


# T tokens of a grid of rows x columns
def scan_index(grid: tuple[int, int], order: int, device: torch.device | None = None) -> Tensor:
    """Returns the image token at each position of the scan, (T,).

    `order` is 0 for rows, 1 for rows reversed, 2 for columns, 3 for columns reversed.
    """
    rows, columns = grid
    image_RC = torch.arange(rows * columns, device=device).view(rows, columns)
    token_T = (image_RC.T if order >= 2 else image_RC).flatten()
    return token_T.flip(0) if order % 2 else token_T
