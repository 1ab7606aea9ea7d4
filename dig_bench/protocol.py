"""Protocol: how a cell is measured. Part of a sweep's identity: rows of two protocols do not mix in one folder."""

from __future__ import annotations

from dataclasses import dataclass, fields

SAMPLING_FIELDS = ("sampler", "sampler_steps", "guidance", "vae")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Caps, targets and tolerances. ValueError for values that make no sense.

    In bf16 and fp16 the parameters, their gradients and AdamW's state have that precision, too; there is no fp32 copy.
    Throughput follows from the median latency of calls that begin with a cold L2 cache (see `flush_l2`).
    """

    warmup_seconds: float = 3.0
    """Warm-up ends here at the latest."""
    warmup_calls: int = 200
    """Warm-up ends after so many calls at the latest."""
    warmup_agreement: float = 0.02
    """Warm-up ends when the medians of two consecutive windows differ by no more than this share."""

    min_samples: int = 6
    """Taken whatever they cost in time. A 95 % interval of the median needs 6."""
    max_samples: int = 1000
    min_seconds: float = 0.5
    """Sampling goes on for so long even when the interval is narrow already: clocks settle slowly."""
    max_seconds: float = 10.0
    """Sampling ends here, once `min_samples` are there."""
    target_half_width: float = 0.02
    """Of the 95 % interval of the median, as a share of the median. Rows that miss it are `noisy`."""
    flush_l2: bool = True
    """Overwrite the GPU's L2 cache before every sample, outside of the timed interval, as triton's do_bench does."""

    memory: bool = True
    """Whether the memory pass runs."""
    energy_seconds: float = 0.5
    """Shortest window of the energy measurement; 0 leaves it out, and with it clocks and throttle reasons."""

    sampler: str = "ddpm"
    """Name in `dig_models.samplers.SAMPLERS`. This and the next three fields apply to mode `sample` only."""
    sampler_steps: int = 250
    guidance: float = 4.0
    """Scale of classifier-free guidance; 1 leaves it out, and with it half of the network's work."""
    vae: bool = False
    """Whether a VAE of Stable Diffusion's sizes, with random parameters, decodes what was sampled."""

    check_grid: int = 10
    """Tokens along a side of the image that is compared with the reference: 100 of them fill no kernel's chunk."""
    check_noise: float = 0.04
    """Standard deviation of the noise that moves the parameters of a network of width 64; it falls with width**-0.5."""
    tolerance_fp32: float = 1e-4
    tolerance_tf32: float = 5e-3
    tolerance_bf16: float = 5e-2
    tolerance_fp16: float = 1e-2

    timeout_s: float = 600.0
    """For a cell, the start of its worker included. Autotuning alone can take 5 minutes on a bare machine."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "sampler":
                continue
            zero_allowed = field.name in ("warmup_seconds", "warmup_calls", "min_seconds", "energy_seconds", "guidance")
            if not (value >= 0 if zero_allowed or isinstance(value, bool) else value > 0):
                raise ValueError(f"{field.name} is {'not negative' if zero_allowed else 'positive'}, not {value}")
        if self.min_samples > self.max_samples:
            raise ValueError(f"min_samples {self.min_samples} is above max_samples {self.max_samples}")

    def forward_passes(self, mode: str) -> int:
        """What a step's FLOPs are counted as. A backward pass counts two, the optimiser none."""
        if mode == "sample":
            return self.sampler_steps * (1 if self.guidance == 1 else 2)
        return 3 if mode == "train" else 1

    def tolerance(self, precision: str) -> float:
        """Largest relative error that the gate lets pass."""
        tolerance: float = getattr(self, f"tolerance_{precision}")
        return tolerance
