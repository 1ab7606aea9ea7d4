"""A plugin of the four architectures with few narrow blocks, which have all components of the large ones."""

from dig_models import Model
from dig_models.dig import DiG, DiGConfig
from dig_models.dis import DiS, DiSConfig
from dig_models.dit import DiT, DiTConfig
from dig_models.udig import UDiG, UDiGConfig

SIZES = {"latent_size": 8, "patch_size": 4, "width": 64}

BACKBONES = {
    "DiG-Tiny/4": Model(DiG, DiGConfig(**SIZES, depth=2, num_heads=1)),
    "DiT-Tiny/4": Model(DiT, DiTConfig(**SIZES, depth=2, num_heads=1)),
    "DiS-Tiny/4": Model(DiS, DiSConfig(**SIZES, depth=2)),
    "U-DiG-Tiny/4": Model(UDiG, UDiGConfig(latent_size=8, patch_size=2, width=64, inner_widths=(64, 64), depth=5)),
}
