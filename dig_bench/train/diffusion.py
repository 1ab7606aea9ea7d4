"""Diffusion of DiT and DiG: 1000 linear steps with a learned variance (arXiv 2102.09672).

    x_t = abar_t**0.5 x_0 + (1 - abar_t)**0.5 noise

The network predicts the noise and v in [-1, 1], which interpolates log sigma**2 between its lower and upper bound.
L_simple is the squared error of the noise. L_vlb, the term of the variational bound in bits, trains v only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

NUM_STEPS = 1000
BETA_FIRST, BETA_LAST = 1e-4, 0.02

_HALF_LEVEL = 1 / 255
"""Half the distance between two 8-bit levels of an image in [-1, 1]."""


class Gaussian(NamedTuple):
    """Mean and log variance of each element."""

    mean: Tensor
    log_variance: Tensor


class Losses(NamedTuple):
    """Losses of each image, (B,). Training minimizes their sum."""

    simple: Tensor
    vlb: Tensor


# B batch, C latent channels, H W latent height and width, S steps
@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """Tables over diffusion steps, (S,), in fp32, computed in fp64. `Diffusion.linear(device)` returns them."""

    alpha_bar: Tensor
    log_beta: Tensor
    posterior_log_variance: Tensor
    posterior_of_image: Tensor
    posterior_of_noisy: Tensor

    @staticmethod
    def linear(device: str | torch.device = "cpu") -> Diffusion:
        """Returns the tables of the linear schedule."""
        beta_S = torch.linspace(BETA_FIRST, BETA_LAST, NUM_STEPS, dtype=torch.float64)
        alpha_bar_S = torch.cumprod(1 - beta_S, dim=0)
        before_S = torch.cat([torch.ones(1, dtype=torch.float64), alpha_bar_S[:-1]])
        variance_S = beta_S * (1 - before_S) / (1 - alpha_bar_S)
        # The first variance is zero, whose logarithm is infinite: replaced by the second.
        variance_S[0] = variance_S[1]
        tables = {
            "alpha_bar": alpha_bar_S,
            "log_beta": beta_S.log(),
            "posterior_log_variance": variance_S.log(),
            "posterior_of_image": beta_S * before_S.sqrt() / (1 - alpha_bar_S),
            "posterior_of_noisy": (1 - before_S) * (1 - beta_S).sqrt() / (1 - alpha_bar_S),
        }
        return Diffusion(**{name: table.float().to(device) for name, table in tables.items()})

    def add_noise(self, image_BCHW: Tensor, noise_BCHW: Tensor, timestep_B: Tensor) -> Tensor:
        """Returns x_t for an image x_0."""
        alpha_bar = _at(self.alpha_bar, timestep_B)
        return alpha_bar.sqrt() * image_BCHW + (1 - alpha_bar).sqrt() * noise_BCHW

    def image_of(self, noisy_BCHW: Tensor, noise_BCHW: Tensor, timestep_B: Tensor) -> Tensor:
        """Returns x_0 for x_t and its noise: the inverse of `add_noise`."""
        alpha_bar = _at(self.alpha_bar, timestep_B)
        return (noisy_BCHW - (1 - alpha_bar).sqrt() * noise_BCHW) / alpha_bar.sqrt()

    def posterior(self, image_BCHW: Tensor, noisy_BCHW: Tensor, timestep_B: Tensor) -> Gaussian:
        """Returns the distribution of x_(t-1), given x_0 and x_t."""
        mean = (
            _at(self.posterior_of_image, timestep_B) * image_BCHW
            + _at(self.posterior_of_noisy, timestep_B) * noisy_BCHW
        )
        return Gaussian(mean, _at(self.posterior_log_variance, timestep_B).expand_as(mean))

    def predicted(self, output_B2CHW: Tensor, noisy_BCHW: Tensor, timestep_B: Tensor) -> Gaussian:
        """Returns the distribution of x_(t-1) that the network's output for x_t implies: noise, then v."""
        noise_BCHW, v_BCHW = output_B2CHW.chunk(2, dim=1)
        mean, smallest = self.posterior(self.image_of(noisy_BCHW, noise_BCHW, timestep_B), noisy_BCHW, timestep_B)
        share = (v_BCHW + 1) / 2
        return Gaussian(mean, share * _at(self.log_beta, timestep_B) + (1 - share) * smallest)

    def losses(
        self, output_B2CHW: Tensor, image_BCHW: Tensor, noise_BCHW: Tensor, noisy_BCHW: Tensor, timestep_B: Tensor
    ) -> Losses:
        """Returns L_simple and L_vlb; the gradient of L_vlb reaches v only."""
        output_B2CHW = output_B2CHW.float()
        predicted_BCHW, v_BCHW = output_B2CHW.chunk(2, dim=1)
        true = self.posterior(image_BCHW, noisy_BCHW, timestep_B)
        model = self.predicted(torch.cat([predicted_BCHW.detach(), v_BCHW], dim=1), noisy_BCHW, timestep_B)
        divergence_B = _mean(divergence(true, model))
        likelihood_B = _mean(-log_likelihood(image_BCHW, model))
        vlb_B = torch.where(timestep_B == 0, likelihood_B, divergence_B) / math.log(2)
        return Losses(simple=_mean((predicted_BCHW - noise_BCHW).square()), vlb=vlb_B)


def divergence(p: Gaussian, q: Gaussian) -> Tensor:
    """Returns the Kullback-Leibler divergence of each element, in nats."""
    return 0.5 * (
        q.log_variance
        - p.log_variance
        + (p.log_variance - q.log_variance).exp()
        + (p.mean - q.mean).square() * (-q.log_variance).exp()
        - 1
    )


def log_likelihood(image: Tensor, model: Gaussian) -> Tensor:
    """Returns the log likelihood of each element of an 8-bit image in [-1, 1], in nats.

    The lowest and the highest level include everything beyond them.
    """
    per_deviation = (-0.5 * model.log_variance).exp()
    below, above = (
        torch.special.ndtr((image - model.mean + edge) * per_deviation) for edge in (-_HALF_LEVEL, _HALF_LEVEL)
    )
    below = torch.where(image < -0.999, torch.zeros_like(below), below)
    above = torch.where(image > 0.999, torch.ones_like(above), above)
    return (above - below).clamp(min=1e-12).log()


def _at(table_S: Tensor, timestep_B: Tensor) -> Tensor:
    return table_S[timestep_B][:, None, None, None]


def _mean(values_BCHW: Tensor) -> Tensor:
    return values_BCHW.flatten(1).mean(dim=1)
