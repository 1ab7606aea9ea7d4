"""Plugin of tiny networks that each fail in one way, for tests of sweeps, correctness checks and worker processes."""

import ctypes
import os
import signal
import time
from typing import ClassVar

import torch
from torch import Tensor, nn

from dig_models import Backbone, BackboneConfig, FlopCount, Model
from dig_models.kernels.op import FEW_OR_MANY

FOREVER_S = 3600

WORKER_PID_FILE = "FAKE_WORKER_PID_FILE"
"""Environment variable with the path to which `hang` writes its process id."""


def hang() -> None:
    if path := os.environ.get(WORKER_PID_FILE):
        with open(path, "w") as file:
            file.write(str(os.getpid()))
    time.sleep(FOREVER_S)


def raise_error() -> None:
    raise KeyError("of two\nlines")


def run_out_of_memory() -> None:
    raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")


def get_stuck() -> None:
    """Blocks all signals that can be blocked, and sleeps in C code that keeps the interpreter's lock."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.PyDLL(None).sleep(FOREVER_S)


FAILURES = {
    "segfault": lambda: ctypes.string_at(0),
    "sigkill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raises": raise_error,
    "hang": hang,
    "stuck": get_stuck,
}


class Fake(Backbone):
    """One 1x1 convolution, plus the embedded label."""

    backends: ClassVar = {
        name: {}
        for name in (
            "reference",
            "good",
            "wrong",
            "wrong-gradient",
            "wrong-of-many",
            "nan",
            "waits",
            "hungry",
            *FAILURES,
        )
    }
    default_backends: ClassVar = {"cpu": "good", "cuda": "good"}

    def __init__(self, config: BackboneConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        self.mix = nn.Conv2d(config.in_channels, config.out_channels, 1)
        self.embed = nn.Embedding(config.num_classes, config.out_channels)

    @classmethod
    def variants(cls, backend: str) -> tuple[str, ...]:
        return tuple(f"{backend}:{size}" for size in FEW_OR_MANY) if backend == "wrong-of-many" else (backend,)

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        print("libraries print what they like")
        if self.backend in FAILURES:
            FAILURES[self.backend]()
        if self.backend == "hungry" and latent_BCHW.shape[-1] > 4:
            run_out_of_memory()
        output_BCHW = self.mix(latent_BCHW) + self.embed(label_B)[:, :, None, None]
        if self.backend == "waits":
            # A copy to the host, which a CUDA graph cannot capture.
            return output_BCHW * (1 + 0 * float(output_BCHW.sum()))
        if self.backend == "wrong":
            return output_BCHW * 1.5
        if self.backend == "wrong-of-many" and self.variant == "many":
            return output_BCHW * 1.5
        if self.backend == "wrong-gradient":
            return output_BCHW.detach() + 1.5 * (output_BCHW - output_BCHW.detach())
        if self.backend == "nan":
            return output_BCHW + torch.tensor(float("nan"))
        return output_BCHW

    def flops(self, batch_size: int) -> FlopCount:
        channels = self.config.in_channels * self.config.out_channels
        return FlopCount({"mix": 2 * batch_size * self.config.num_tokens * channels})


BACKBONES = {"Fake-S/1": Model(Fake, BackboneConfig(latent_size=4, patch_size=1, width=8, depth=1))}
