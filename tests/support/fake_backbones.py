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

FEW_TOKENS = 200
"""Most tokens at which the backends that are wrong at size are right."""

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
            "wrong-at-size",
            "wrong-gradient-at-size",
            "mixes-images",
            "restless",
            "false-tokens",
            "false-flops",
            "nan",
            "waits",
            "hungry",
            *FAILURES,
        )
    }
    default_backends: ClassVar = {"cpu": "good", "cuda": "good"}
    unrest: ClassVar = 4e-5
    """Relative difference of two calls of `restless`: less than the tolerance in fp32."""

    def __init__(self, config: BackboneConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        self.mix = nn.Conv2d(config.in_channels, config.out_channels, 1)
        self.embed = nn.Embedding(config.num_classes, config.out_channels)
        self.calls = 0

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
        if self.backend == "restless":
            self.calls += 1
            return output_BCHW * (1 + self.unrest * (self.calls % 2))
        if self.backend == "nan":
            return output_BCHW + torch.tensor(float("nan"))
        return self._of_many_tokens(output_BCHW) if latent_BCHW[0, 0].numel() > FEW_TOKENS else output_BCHW

    def _of_many_tokens(self, output_BCHW: Tensor) -> Tensor:
        if self.backend == "wrong-at-size":
            return output_BCHW * 1.06
        if self.backend == "wrong-gradient-at-size":
            return output_BCHW.detach() + 1.06 * (output_BCHW - output_BCHW.detach())
        if self.backend == "mixes-images":
            return output_BCHW + 0.06 * (output_BCHW.roll(1, dims=0) - output_BCHW)
        return output_BCHW

    @property
    def num_tokens(self) -> int:
        return self.config.num_tokens + (self.backend == "false-tokens")

    def flops(self, batch_size: int) -> FlopCount:
        channels = self.config.in_channels * self.config.out_channels * (1 + (self.backend == "false-flops"))
        return FlopCount({"mix": 2 * batch_size * self.config.num_tokens * channels})


class Alone(Fake):
    """An architecture of one backend, its own reference, which no two calls compute alike."""

    unrest = 0.3
    backends: ClassVar = {"restless": {}}
    reference_backend = "restless"
    default_backends: ClassVar = {"cpu": "restless", "cuda": "restless"}


class Boastful(Fake):
    """An architecture whose reference reports FLOPs that it does not compute."""

    backends: ClassVar = {"false-flops": {}}
    reference_backend = "false-flops"
    default_backends: ClassVar = {"cpu": "false-flops", "cuda": "false-flops"}


CONFIG = BackboneConfig(latent_size=4, patch_size=1, width=8, depth=1)
BACKBONES = {"Fake-S/1": Model(Fake, CONFIG)}
ODD_BACKBONES = {"Alone-S/1": Model(Alone, CONFIG), "Boastful-S/1": Model(Boastful, CONFIG)}
"""Not part of the plugin."""
