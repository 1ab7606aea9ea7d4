"""Patch embedding, its inverse, and the position embedding."""

import torch
from torch import Tensor, nn

from dig_models.kernels.patch_embed import PATCH_EMBED


# B batch, C channels, H W latent height and width, T tokens, D width
class PatchEmbed(nn.Module):
    """Embeds square patches as tokens, row by row: (B, C, H, W) -> (B, T, D)."""

    def __init__(self, patch_size: int, in_channels: int, width: int, patch_embed: str = "reference") -> None:
        super().__init__()
        self.patch_size = patch_size
        self.patch_embed = patch_embed
        self.proj = nn.Conv2d(in_channels, width, kernel_size=patch_size, stride=patch_size)
        nn.init.xavier_uniform_(self.proj.weight.view(width, -1))
        assert self.proj.bias is not None
        nn.init.zeros_(self.proj.bias)

    def grid(self, latent_BCHW: Tensor) -> tuple[int, int]:
        """Returns token rows and columns. Raises ValueError if the latent is not a whole number of patches."""
        height, width = latent_BCHW.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(f"latent of {height} x {width} is not a multiple of patch size {self.patch_size}")
        return height // self.patch_size, width // self.patch_size

    def forward(self, latent_BCHW: Tensor) -> Tensor:
        tokens_BTD: Tensor = PATCH_EMBED[self.patch_embed](latent_BCHW, self.proj.weight, self.proj.bias)
        return tokens_BTD


def unpatchify(tokens_BTD: Tensor, grid: tuple[int, int], patch_size: int) -> Tensor:
    """Reassembles the latent: (B, T, patch_size**2 * C) -> (B, C, H, W). Channels are the fastest index."""
    rows, columns = grid
    p = patch_size
    patches = tokens_BTD.unflatten(-1, (p, p, -1)).unflatten(1, (rows, columns))
    return patches.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def sincos_2d(grid: tuple[int, int], width: int, device: torch.device | None = None) -> Tensor:
    """Returns the fixed position embedding of MAE and DiT, (1, rows * columns, width), fp32: columns, then rows.

    Computes it in fp64 on `device`. Raises ValueError if the width is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"width {width} is not a multiple of 4, as sine-cosine embeddings need")
    rows, columns = (torch.arange(size, dtype=torch.float64, device=device) for size in grid)
    frequency_F = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64, device=device) / (width // 4))

    def embed(position_P: Tensor) -> Tensor:
        angle_PF = position_P[:, None] * frequency_F
        return torch.cat([angle_PF.sin(), angle_PF.cos()], dim=1)

    column_RCD = embed(columns)[None].expand(len(rows), -1, -1)
    row_RCD = embed(rows)[:, None].expand(-1, len(columns), -1)
    return torch.cat([column_RCD, row_RCD], dim=-1).flatten(0, 1)[None].float()
