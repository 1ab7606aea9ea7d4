"""Parts of a training step, for the loop and for CUDA graphs: random draws, loss, optimizer, averaged weights.

The recipe of DiT and DiG: AdamW without weight decay, hybrid loss, averaged weights, labels dropped for guidance.
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
    """Noise, timesteps and label-dropout chances of a batch, in static tensors that a CUDA graph can read.

    They depend on seed and training step only, not on the number of processes or on earlier draws.
    """

    def __init__(self, shape: Sequence[int], *, seed: int, device: str | torch.device) -> None:
        self.seed = seed
        self.noise = torch.zeros(*shape, device=device)
        self.timestep = torch.zeros(shape[0], dtype=torch.long, device=device)
        self.chance = torch.ones(shape[0], device=device)
        self._generator = torch.Generator(device)

    def fill(self, step: int) -> None:
        """Overwrites the tensors with the draws of training step `step`."""
        high, low = np.random.SeedSequence([self.seed, step]).generate_state(2, np.uint32)
        self._generator.manual_seed(int(high) << 32 | int(low))
        self.noise.normal_(generator=self._generator)
        self.timestep.random_(0, NUM_STEPS, generator=self._generator)
        self.chance.uniform_(generator=self._generator)


def some_dropped(label_B: Tensor, chance_B: Tensor, share: float, null_label: int) -> Tensor:
    """Replaces labels by the null label where the chance is below `share`."""
    return label_B.masked_fill(chance_B < share, null_label)


def hybrid_loss(
    diffusion: Diffusion, network: Network, image_BCHW: Tensor, noise_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor
) -> Tensor:
    """Returns L_simple + L_vlb, averaged over the batch."""
    noisy_BCHW = diffusion.add_noise(image_BCHW, noise_BCHW, timestep_B)
    output_B2CHW = network(noisy_BCHW, timestep_B, label_B)
    losses = diffusion.losses(output_B2CHW, image_BCHW, noise_BCHW, noisy_BCHW, timestep_B)
    return (losses.simple + losses.vlb).mean()


def adamw(
    parameters: Iterable[Tensor], *, learning_rate: float | Tensor, capturable: bool = False
) -> torch.optim.AdamW:
    """Returns fused AdamW without weight decay."""
    return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0, fused=True, capturable=capturable)


def learning_rate_at(step: int, *, learning_rate: float, warmup: int) -> float:
    """Returns the learning rate: constant after a linear warm-up over `warmup` steps, and never zero."""
    return learning_rate * min(1.0, (step + 1) / max(1, warmup))


@torch.no_grad()
def update_averages(averages: Sequence[Tensor], parameters: Sequence[Tensor], decay: float) -> None:
    """Sets average = decay * average + (1 - decay) * parameter, in place."""
    torch._foreach_lerp_(list(averages), list(parameters), 1 - decay)
