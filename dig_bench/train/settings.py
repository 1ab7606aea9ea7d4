"""Settings of a training. The defaults are those of DiT and DiG."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

PRECISIONS = ("fp32", "tf32", "bf16")

FREE = frozenset({"steps", "accumulate", "recompute", "compile"})
"""Settings that may change when a run resumes: they affect duration and memory, not the losses."""

MAX_BATCH_SIZE = 2**40
"""Beyond it, the number of bytes may overflow PyTorch's integers."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Recipe and engine of a training. Raises ValueError for values out of range."""

    steps: int = 400_000
    batch_size: int = 256
    """Images per training step, over all processes."""
    learning_rate: float = 1e-4
    warmup: int = 0
    """Training steps over which the learning rate rises linearly; it is constant afterwards."""
    ema_decay: float = 0.9999
    label_dropout: float = 0.1
    clip: float | None = None
    """Largest norm of the gradient of all parameters."""
    flip: bool = True
    """Mirror half of the images left to right, another half in each epoch."""
    seed: int = 0
    precision: str = "fp32"
    """bf16 casts the network's parameters, as sweeps do; master weights, optimizer and averages stay in fp32."""
    accumulate: int = 1
    """Parts in which each process computes its share of a batch, one after the other."""
    recompute: bool = False
    """Keep no activations of blocks; run the blocks again in the backward pass."""
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate", "accumulate"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be positive and finite, not {value}")
        if self.batch_size >= MAX_BATCH_SIZE:
            raise ValueError(f"no machine has the memory for a batch of {self.batch_size} images")
        if not (0 <= self.ema_decay < 1 and 0 <= self.label_dropout < 1):
            raise ValueError("ema_decay and label_dropout must be at least 0 and less than 1")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip, the largest gradient norm, must be positive, not {self.clip}")
        if self.warmup < 0:
            raise ValueError(f"warmup must be at least 0, not {self.warmup}")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be between 0 and 2^64 - 1, not {self.seed}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision of a training is {', '.join(PRECISIONS)}, not {self.precision!r}")

    @property
    def determining(self) -> dict[str, Any]:
        """Settings that determine the losses, all but FREE."""
        return {name: value for name, value in asdict(self).items() if name not in FREE}


AS_PUBLISHED = Settings()

FOR_DIGITS = replace(AS_PUBLISHED, steps=1400, batch_size=16, learning_rate=3e-3, warmup=70, ema_decay=0.99, flip=False)
"""Recipe that learns readable digits in two minutes on a laptop."""
