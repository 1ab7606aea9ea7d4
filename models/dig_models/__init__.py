"""DiG, DiT, DiS and U-DiG: diffusion backbones behind one interface."""

from dig_models.backbone import Backbone, BackboneConfig, FlopCount, with_guidance
from dig_models.catalog import CATALOG, Model, build, config_for, default_backend, unavailable
from dig_models.dig import DiG, DiGConfig
from dig_models.dis import DiS, DiSConfig
from dig_models.dit import DiT, DiTConfig
from dig_models.graphed import GraphedBackbone, graphed
from dig_models.kernels.op import Implementation, KernelOp, suggest
from dig_models.published import load_published
from dig_models.udig import UDiG, UDiGConfig

__all__ = [
    "CATALOG",
    "Backbone",
    "BackboneConfig",
    "DiG",
    "DiGConfig",
    "DiS",
    "DiSConfig",
    "DiT",
    "DiTConfig",
    "FlopCount",
    "GraphedBackbone",
    "Implementation",
    "KernelOp",
    "Model",
    "UDiG",
    "UDiGConfig",
    "build",
    "config_for",
    "default_backend",
    "graphed",
    "load_published",
    "suggest",
    "unavailable",
    "with_guidance",
]
