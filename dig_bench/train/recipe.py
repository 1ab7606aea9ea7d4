"""What every training step here is made of, whether a loop runs it or a CUDA graph: draws, loss, optimiser, averages.

DiT's and DiG's: AdamW without weight decay, hybrid loss, averages of the weights, labels dropped for guidance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from dig_bench.train.diffusion import NUM_STEPS, Diffusion

Network = Callable[[Tensor, Tensor, Tensor], Tensor]


# B batch, C channels, H W height and width
class Draws:
    """Noise, timesteps and chances of a step's images: tensors that stay where they are, which a graph may read.

    A function of seed and step alone, however many processes share the batch and whatever was drawn before.
    """

    def __init__(self, shape: Sequence[int], *, seed: int, device: str | torch.device) -> None:
        self.seed = seed
        self.noise = torch.zeros(*shape, device=device)
        self.timestep = torch.zeros(shape[0], dtype=torch.long, device=device)
        self.chance = torch.ones(shape[0], device=device)
        self._generator = torch.Generator(device)

    def fill(self, step: int) -> None:
        high, low = np.random.SeedSequence([self.seed, step]).generate_state(2, np.uint32)
        self._generator.manual_seed(int(high) << 32 | int(low))
        self.noise.normal_(generator=self._generator)
        self.timestep.random_(0, NUM_STEPS, generator=self._generator)
        self.chance.uniform_(generator=self._generator)


def some_dropped(label_B: Tensor, chance_B: Tensor, share: float, null_label: int) -> Tensor:
    """The null label in the place of a share of the labels."""
    return label_B.masked_fill(chance_B < share, null_label)


def hybrid_loss(
    diffusion: Diffusion, network: Network, image_BCHW: Tensor, noise_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor
) -> Tensor:
    """L_simple + L_vlb, the mean over the batch."""
    noisy_BCHW = diffusion.add_noise(image_BCHW, noise_BCHW, timestep_B)
    output_B2CHW = network(noisy_BCHW, timestep_B, label_B)
    losses = diffusion.losses(output_B2CHW, image_BCHW, noise_BCHW, noisy_BCHW, timestep_B)
    return (losses.simple + losses.vlb).mean()


def adamw(
    parameters: Iterable[Tensor], *, learning_rate: float | Tensor, capturable: bool = False
) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0, fused=True, capturable=capturable)


def learning_rate_at(step: int, *, learning_rate: float, warmup: int) -> float:
    """Constant after a linear warm-up of so many steps, none of which is without effect."""
    return learning_rate * min(1.0, (step + 1) / max(1, warmup))


@torch.no_grad()
def update_averages(averages: Sequence[Tensor], parameters: Sequence[Tensor], decay: float) -> None:
    """average = decay * average + (1 - decay) * parameter, in place."""
    torch._foreach_lerp_(list(averages), list(parameters), 1 - decay)
