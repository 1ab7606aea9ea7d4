"""What a training is asked to be; the defaults are DiT's and DiG's."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

PRECISIONS = ("fp32", "tf32", "bf16")

FREE = frozenset({"steps", "accumulate", "recompute", "compile"})
"""Settings that may change between two sittings of a run: they decide how long and how it computes, and not what."""

MAX_BATCH_SIZE = 2**40
"""Beyond it the number of bytes may be none that PyTorch can count to."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """ValueError for values that make no sense."""

    steps: int = 400_000
    batch_size: int = 256
    """Images a step, those of all processes together."""
    learning_rate: float = 1e-4
    warmup: int = 0
    """Steps in which the learning rate rises linearly; it is constant afterwards."""
    ema_decay: float = 0.9999
    label_dropout: float = 0.1
    clip: float | None = None
    """Largest norm of the gradient of all parameters."""
    flip: bool = True
    """Whether half of the images, drawn anew in each epoch, are mirrored left to right."""
    seed: int = 0
    precision: str = "fp32"
    """bf16 casts the parameters that compute, as sweeps do; the optimiser and the averages keep theirs in fp32."""
    accumulate: int = 1
    """Parts in which each process computes its share of a batch, one after the other."""
    recompute: bool = False
    """Blocks keep no activations, and run again in the backward pass."""
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate", "accumulate"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} is positive, not {value}")
        if self.batch_size >= MAX_BATCH_SIZE:
            raise ValueError(f"no machine has the memory for a batch of {self.batch_size} images")
        if not (0 <= self.ema_decay < 1 and 0 <= self.label_dropout < 1):
            raise ValueError("ema_decay and label_dropout go from 0 to below 1")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"the norm that gradients are clipped to is positive, not {self.clip}")
        if self.warmup < 0:
            raise ValueError(f"warmup is not negative: not {self.warmup}")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"a seed has 64 bits, from 0 to 2^64 - 1: not {self.seed}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"training is in {', '.join(PRECISIONS)}, not {self.precision!r}")

    @property
    def deciding(self) -> dict[str, Any]:
        """Those that decide the losses, whatever the number of steps and of processes."""
        return {name: value for name, value in asdict(self).items() if name not in FREE}


AS_PUBLISHED = Settings()

OF_DIGITS = replace(AS_PUBLISHED, steps=1400, batch_size=16, learning_rate=3e-3, warmup=70, ema_decay=0.99, flip=False)
"""Digits that can be read after two minutes of a laptop."""
