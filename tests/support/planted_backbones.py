"""A plugin whose backends go wrong, each in its way, once the environment variable PLANTED is set."""

import os
from typing import ClassVar

import torch
from torch import Tensor

from dig_models import BackboneConfig, Model
from fake_backbones import Fake, run_out_of_memory

MIB = 2**20


class Planted(Fake):
    backends: ClassVar = {name: {} for name in ("reference", "sound", "grows", "exhausts", "breaks")}
    default_backends: ClassVar = {"cpu": "sound", "cuda": "sound"}

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        output_BCHW = super().forward(latent_BCHW, timestep_B, label_B)
        if "PLANTED" not in os.environ:
            return output_BCHW
        if self.backend == "exhausts":
            run_out_of_memory()
        if self.backend == "grows":
            # Written to: memory that is only asked for is not resident.
            return output_BCHW + 0 * torch.ones(64 * MIB // 4).sum()
        return output_BCHW * float("nan") if self.backend == "breaks" else output_BCHW


BACKBONES = {"Planted-S/1": Model(Planted, BackboneConfig(latent_size=4, patch_size=1, width=8, depth=1))}
