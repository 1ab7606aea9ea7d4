"""Samplers: diffusers' schedulers around a backbone, with DiT's classifier-free guidance.

The diffusion is DiT's, 1000 linear steps from 1e-4 to 0.02. DDPM uses the learned variance, over evenly spaced steps;
DDIM and DPM-Solver++ use the predicted noise only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dig_models.backbone import BackboneConfig, with_guidance
from dig_models.kernels.op import suggest

SAMPLERS = ("ddpm", "ddim", "dpm++")

TRAINED_STEPS = 1000
"""Diffusion steps of the training."""

Network = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Backbone, plain, compiled, or as CUDA graphs: noisy latent, timestep and label -> prediction."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Sampler and its settings. Raises ValueError for values out of range."""

    sampler: str = "ddpm"
    """Name of the sampler, one of SAMPLERS."""
    steps: int = 250
    """Number of sampler steps."""
    guidance: float = 1.0
    """Scale of classifier-free guidance; 1 disables it, at half the cost."""
    clip: bool = False
    """Clip predicted images to [-1, 1], for pixels, not for latents. DPM-Solver++ ignores it."""

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ValueError(f"no sampler {suggest(self.sampler, SAMPLERS)}")
        if not 1 <= self.steps <= TRAINED_STEPS:
            raise ValueError(f"a sampler takes 1 to {TRAINED_STEPS} steps, not {self.steps}")
        if self.sampler == "ddim" and TRAINED_STEPS % self.steps:
            raise ValueError(f"the number of ddim steps must divide {TRAINED_STEPS}, {self.steps} does not")
        if not 0 <= self.guidance < float("inf"):
            raise ValueError(f"guidance must be at least 0 and finite, not {self.guidance}")

    def scheduler(self) -> Any:
        """Returns diffusers' scheduler with its steps set. Its tables stay on the CPU, so no step waits for a GPU."""
        from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

        shared: dict[str, Any] = {
            "num_train_timesteps": TRAINED_STEPS,
            "beta_start": 1e-4,
            "beta_end": 0.02,
            "beta_schedule": "linear",
        }
        match self.sampler:
            case "ddpm":
                scheduler = DDPMScheduler(
                    **shared, variance_type="learned_range", clip_sample=self.clip, timestep_spacing="linspace"
                )
            case "ddim":
                scheduler = DDIMScheduler(**shared, clip_sample=self.clip, timestep_spacing="trailing")
            case _:
                scheduler = DPMSolverMultistepScheduler(**shared, timestep_spacing="linspace")
        scheduler.set_timesteps(self.steps)
        return scheduler


# B batch, C latent channels, H W latent height and width
@torch.inference_mode()
def draw(
    network: Network,
    config: BackboneConfig,
    labels: Sequence[int],
    sampling: Sampling,
    *,
    generators: Sequence[torch.Generator] | torch.Generator,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    after_step: Callable[[], None] = lambda: None,
) -> Tensor:
    """Draws one latent per label from noise. Returns fp32 (B, C, H, W).

    `dtype` is the network's; `after_step` is called after every sampler step. With one generator per label, an image
    does not depend on the rest of its batch; a single generator is faster. Raises ValueError for unknown labels, for
    DDPM with a network that has no learned variance, and for latents that are not finite.
    """
    from diffusers.utils.torch_utils import randn_tensor

    if unknown := [label for label in labels if not 0 <= label < config.num_classes]:
        raise ValueError(f"no class {unknown[0]}: classes are 0 to {config.num_classes - 1}")
    if sampling.sampler == "ddpm" and not config.learn_sigma:
        raise ValueError("ddpm needs a learned variance, which this network does not have: choose ddim or dpm++")
    # diffusers takes a generator or a list.
    generators = generators if isinstance(generators, torch.Generator) else list(generators)
    shape = (len(labels), config.in_channels, config.latent_size, config.latent_size)
    latent_BCHW = randn_tensor(shape, generator=generators, device=torch.device(device))
    label_B = torch.tensor(labels, device=device)
    scheduler = sampling.scheduler()
    # All timesteps at once: a copy from the host in each step would wait for the GPU.
    timestep_SB = scheduler.timesteps.to(device)[:, None].expand(-1, len(labels)).contiguous()
    for step, timestep_B in zip(scheduler.timesteps, timestep_SB, strict=True):
        output_BCHW = _predict(network, config, latent_BCHW.to(dtype), timestep_B, label_B, sampling.guidance).float()
        if sampling.sampler == "ddpm":
            latent_BCHW = scheduler.step(output_BCHW, step, latent_BCHW, generator=generators).prev_sample
        else:
            noise_BCHW = output_BCHW[:, : config.in_channels]
            latent_BCHW = scheduler.step(noise_BCHW, step, latent_BCHW).prev_sample
        after_step()
    if not latent_BCHW.isfinite().all():
        raise ValueError("the generated latents are not finite")
    return latent_BCHW


def _predict(
    network: Network,
    config: BackboneConfig,
    latent_BCHW: Tensor,
    timestep_B: Tensor,
    label_B: Tensor,
    guidance: float,
) -> Tensor:
    if guidance == 1:
        return network(latent_BCHW, timestep_B, label_B)
    label_2B = torch.cat([label_B, torch.full_like(label_B, config.num_classes)])
    output_2BCHW = with_guidance(network, latent_BCHW.repeat(2, 1, 1, 1), timestep_B.repeat(2), label_2B, guidance)
    return output_2BCHW.chunk(2)[0]


def generators_for(indices: Sequence[int], *, seed: int) -> list[torch.Generator]:
    """Returns one CPU generator per image: image i of a seed is the same in any batch, on any number of processes."""
    seeds = [np.random.SeedSequence([seed, index]).generate_state(2, np.uint32) for index in indices]
    return [torch.Generator().manual_seed(int(high) << 32 | int(low)) for high, low in seeds]
