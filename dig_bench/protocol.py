"""Protocol: how a cell is measured. Part of a sweep's identity: a folder holds rows of one protocol."""

from __future__ import annotations

from dataclasses import dataclass, fields

STATES = ("sustained", "burst")

_MAY_BE_ZERO = frozenset(
    {"warmup_min_seconds", "warmup_seconds", "min_seconds", "energy_seconds", "guidance", "check_share"}
)

SAMPLING_FIELDS = ("sampler", "sampler_steps", "guidance", "vae")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Caps, targets and tolerances. Raises ValueError for values out of range.

    In bf16 and fp16 the parameters, their gradients and AdamW's state have that precision, without an fp32 copy.
    Throughput is computed from the median latency of calls that start with a cold L2 cache (see `flush_l2`).
    """

    state: str = "sustained"
    """`sustained` times a device under load, in the state that it keeps; `burst` lets it rest before each sample."""
    warmup_min_seconds: float = 1.0
    """Shortest warm-up. It ends once the latest second shows no trend."""
    warmup_seconds: float = 10.0
    """Longest warm-up. The trend that is left then makes the row `noisy`."""
    warmup_tolerance: float = 0.005
    """Largest negligible drift over a second, as a share."""

    min_samples: int = 12
    """Fewest timing samples, whatever they cost. The interval of the median is wide with fewer."""
    max_samples: int = 1000
    min_seconds: float = 0.5
    """Shortest sampling, even if the interval is narrow earlier: clocks settle slowly."""
    max_seconds: float = 10.0
    """Longest sampling, once `min_samples` are taken."""
    target_half_width: float = 0.02
    """Target for half the 95 % interval of the median, as a share of the median. Rows that miss it are `noisy`."""
    flush_l2: bool = True
    """Overwrites the GPU's L2 cache before every sample, outside of the timed interval, as triton's do_bench does."""

    memory: bool = True
    """Runs the memory pass."""
    energy_seconds: float = 0.5
    """Shortest window of the energy measurement. 0 skips it, together with clocks and throttle reasons."""

    sampler: str = "ddpm"
    """Name in `dig_models.samplers.SAMPLERS`. This and the next three fields apply only to mode `sample`."""
    sampler_steps: int = 250
    guidance: float = 4.0
    """Scale of classifier-free guidance. 1 turns it off and halves the network's work."""
    vae: bool = False
    """Decodes the samples with a VAE of Stable Diffusion's size, with random parameters."""

    check_grid: int = 10
    """Tokens along a side of the image of the small correctness check. Their square, 100, fills no kernel's chunk."""
    check_noise: float = 0.04
    """Standard deviation of the noise added to the parameters of a network of width 64; scales with width**-0.5."""
    check_share: float = 0.2
    """Longest correctness check at the timed size, as a share of the cell's estimated time. One image of a few blocks
    is compared whatever it takes. 0 skips the check."""
    tolerance_fp32: float = 1e-4
    tolerance_tf32: float = 5e-3
    tolerance_bf16: float = 5e-2
    tolerance_fp16: float = 1e-2

    timeout_s: float = 600.0
    """Timeout of a cell, including the start of its worker. Autotuning alone can take 5 minutes on a new machine."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                continue
            zero_allowed = field.name in _MAY_BE_ZERO
            if not (value >= 0 if zero_allowed or isinstance(value, bool) else value > 0):
                raise ValueError(f"{field.name} must be {'at least 0' if zero_allowed else 'positive'}, not {value}")
        if self.state not in STATES:
            raise ValueError(f"state must be {' or '.join(STATES)}, not {self.state!r}")
        if self.min_samples > self.max_samples:
            raise ValueError(f"min_samples {self.min_samples} is above max_samples {self.max_samples}")

    def forward_passes(self, mode: str) -> int:
        """Returns the FLOPs of a step in forward passes. A backward pass counts as two, the optimiser as none."""
        if mode == "sample":
            return self.sampler_steps * (1 if self.guidance == 1 else 2)
        return 3 if mode == "train" else 1

    def tolerance(self, precision: str) -> float:
        """Returns the largest relative error that the correctness check accepts."""
        tolerance: float = getattr(self, f"tolerance_{precision}")
        return tolerance
