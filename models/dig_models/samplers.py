"""From noise to latents: diffusers' schedulers around a backbone, with classifier-free guidance as DiT has it.

The diffusion is DiT's, 1000 linear steps from 1e-4 to 0.02. DDPM draws with the learned variance, from as many steps
spaced evenly; DDIM and DPM-Solver++ use the predicted noise only.
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

Network = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A backbone, or what runs one: compiled, or as CUDA graphs."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How an image is drawn. ValueError for values that make no sense."""

    sampler: str = "ddpm"
    """One of SAMPLERS."""
    steps: int = 250
    guidance: float = 1.0
    """Scale of classifier-free guidance; 1 is none, and costs half as much."""
    clip: bool = False
    """Whether predicted images are kept within [-1, 1]: for pixels, not for latents. DPM-Solver++ takes no notice."""

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ValueError(f"no sampler {suggest(self.sampler, SAMPLERS)}")
        if not 1 <= self.steps <= TRAINED_STEPS:
            raise ValueError(f"samplers take 1 to {TRAINED_STEPS} steps, not {self.steps}")
        if self.sampler == "ddim" and TRAINED_STEPS % self.steps:
            raise ValueError(f"ddim takes a number of steps that divides {TRAINED_STEPS}, not {self.steps}")
        if not 0 <= self.guidance < float("inf"):
            raise ValueError(f"the scale of guidance is not negative, and finite: not {self.guidance}")

    def scheduler(self) -> Any:
        """diffusers' one, with its steps set. Its tables stay on the CPU, so that no step waits for a GPU."""
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
    """Latents (B, C, H, W), fp32, one a label. `dtype` is the network's; `after_step` is called `steps` times.

    With a generator for each, an image does not depend on the others of its batch; one for all is quicker. ValueError
    for labels that the network does not know, for DDPM without a learned variance, for latents that are not finite.
    """
    from diffusers.utils.torch_utils import randn_tensor

    if unknown := [label for label in labels if not 0 <= label < config.num_classes]:
        raise ValueError(f"no class {unknown[0]}: they go from 0 to {config.num_classes - 1}")
    if sampling.sampler == "ddpm" and not config.learn_sigma:
        raise ValueError("ddpm draws with the learned variance, which this network has none of: take ddim or dpm++")
    # diffusers takes one, or a list.
    generators = generators if isinstance(generators, torch.Generator) else list(generators)
    shape = (len(labels), config.in_channels, config.latent_size, config.latent_size)
    latent_BCHW = randn_tensor(shape, generator=generators, device=torch.device(device))
    label_B = torch.tensor(labels, device=device)
    scheduler = sampling.scheduler()
    # All steps' at once: a copy from the host at each step would wait for the GPU.
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
        raise ValueError("the samples are not finite: NaN or infinite")
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
    """Image number i of a seed is the same on any device, in any batch, on any number of processes."""
    seeds = [np.random.SeedSequence([seed, index]).generate_state(2, np.uint32) for index in indices]
    return [torch.Generator().manual_seed(int(high) << 32 | int(low)) for high, low in seeds]
