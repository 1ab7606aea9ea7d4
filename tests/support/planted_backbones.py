"""A plugin with a fault for each of some batch sizes, once the environment variable PLANTED is set."""

import os
from typing import ClassVar

import torch
from torch import Tensor

from dig_models import BackboneConfig, Model
from fake_backbones import Fake, run_out_of_memory

MIB = 2**20

SOUND, GROWS, DELETED, EXHAUSTS, BREAKS = 1, 3, 4, 5, 6
"""Batch sizes by fault. DELETED is sound: the test deletes its row. Failures come last, since they replace the worker
process. The correctness check takes two images."""


class Planted(Fake):
    backends: ClassVar = {"reference": {}, "planted": {}}
    default_backends: ClassVar = {"cpu": "planted", "cuda": "planted"}

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        output_BCHW = super().forward(latent_BCHW, timestep_B, label_B)
        fault = latent_BCHW.shape[0] if "PLANTED" in os.environ and self.backend == "planted" else None
        if fault == EXHAUSTS:
            run_out_of_memory()
        if fault == GROWS:
            # Written to: memory that is only allocated is not resident.
            return output_BCHW + 0 * torch.ones(64 * MIB // 4).sum()
        return output_BCHW * float("nan") if fault == BREAKS else output_BCHW


BACKBONES = {"Planted-S/1": Model(Planted, BackboneConfig(latent_size=4, patch_size=1, width=8, depth=1))}
