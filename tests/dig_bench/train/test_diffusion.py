"""The diffusion against definitions, and against the sampler of the same."""

import math

import pytest
import torch
from torch import Tensor

from dig_bench.train import data
from dig_bench.train.diffusion import Diffusion, Gaussian, divergence, log_likelihood

DIFFUSION = Diffusion.linear()


def noised(timestep: int, count: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    image, noise = (torch.randn(count, 1, 4, 4, generator=generator) for _ in range(2))
    timestep_B = torch.full((count,), timestep)
    image = image.clamp(-1, 1)
    return image, noise, DIFFUSION.add_noise(image, noise, timestep_B), timestep_B


def test_the_last_step_is_noise_and_the_first_hardly_any() -> None:
    image, noise, last, _ = noised(999)
    torch.testing.assert_close(last, noise, atol=0.02, rtol=0)
    torch.testing.assert_close(noised(0)[2], image, atol=0.05, rtol=0)


@pytest.mark.parametrize("timestep", [0, 1, 500, 999])
def test_noise_is_taken_off_again(timestep: int) -> None:
    image, noise, noisy, timestep_B = noised(timestep)
    torch.testing.assert_close(DIFFUSION.image_of(noisy, noise, timestep_B), image, atol=1e-3, rtol=0)


def test_the_posterior_is_bayes() -> None:
    """Products of the densities of x_(t-1) given x_0 and of x_t given x_(t-1), as precisions and means add up."""
    image, _, noisy, timestep_B = noised(300)
    beta = 1e-4 + 300 * (0.02 - 1e-4) / 999
    before = float(DIFFUSION.alpha_bar[299])
    precision = 1 / (1 - before) + (1 - beta) / beta
    mean = (image * before**0.5 / (1 - before) + noisy * (1 - beta) ** 0.5 / beta) / precision
    found = DIFFUSION.posterior(image, noisy, timestep_B)
    torch.testing.assert_close(found.mean, mean, atol=1e-5, rtol=1e-4)
    assert float(found.log_variance[0, 0, 0, 0]) == pytest.approx(-math.log(precision), abs=1e-4)


@pytest.mark.parametrize("timestep", [1, 20, 999])
def test_a_prediction_is_the_samplers(timestep: int) -> None:
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(beta_schedule="linear", variance_type="learned_range", clip_sample=False)
    scheduler.set_timesteps(1000)
    _, noise, noisy, timestep_B = noised(timestep)
    output = torch.cat([noise, torch.linspace(-1, 1, noise.numel()).reshape(noise.shape)], dim=1)
    found = DIFFUSION.predicted(output, noisy, timestep_B)
    drawn = scheduler.step(output, timestep, noisy, generator=torch.Generator().manual_seed(1)).prev_sample
    expected = found.mean + (0.5 * found.log_variance).exp() * torch.randn(
        noisy.shape, generator=torch.Generator().manual_seed(1)
    )
    torch.testing.assert_close(drawn, expected, atol=1e-4, rtol=1e-4)


def test_the_truth_costs_nothing_but_the_last_level() -> None:
    image, noise, noisy, timestep_B = noised(400)
    output = torch.cat([noise, -torch.ones_like(noise)], dim=1)
    losses = DIFFUSION.losses(output, image, noise, noisy, timestep_B)
    assert losses.simple.abs().max() < 1e-10
    assert losses.vlb.abs().max() < 1e-3


def test_the_bound_trains_the_variance_only() -> None:
    image, noise, noisy, timestep_B = noised(400)
    output = (0.5 * torch.cat([noise, noise], dim=1)).requires_grad_(True)
    DIFFUSION.losses(output, image, noise, noisy, timestep_B).vlb.sum().backward()
    assert output.grad is not None
    of_noise, of_v = output.grad.chunk(2, dim=1)
    assert not of_noise.any()
    assert of_v.any()


def test_divergence_is_that_of_torch() -> None:
    p, q = (Gaussian(torch.tensor([0.3, -1.0]) * k, torch.tensor([0.5, -2.0]) * k) for k in (1, 0.4))
    normals = [torch.distributions.Normal(each.mean, (0.5 * each.log_variance).exp()) for each in (p, q)]
    torch.testing.assert_close(divergence(p, q), torch.distributions.kl_divergence(*normals))


def test_the_likelihoods_of_all_levels_add_up_to_one() -> None:
    levels = torch.linspace(-1, 1, 256, dtype=torch.float64)
    model = Gaussian(torch.full_like(levels, 0.7), torch.full_like(levels, math.log(0.09)))
    assert float(log_likelihood(levels, model).exp().sum()) == pytest.approx(1, abs=1e-6)


def test_the_first_step_is_scored_by_its_likelihood() -> None:
    image, noise, noisy, timestep_B = noised(0)
    output = torch.cat([noise, torch.zeros_like(noise)], dim=1)
    expected = -log_likelihood(image, DIFFUSION.predicted(output, noisy, timestep_B)).flatten(1).mean(1) / math.log(2)
    torch.testing.assert_close(DIFFUSION.losses(output, image, noise, noisy, timestep_B).vlb, expected)


def test_the_digits_are_all_there() -> None:
    digits = data.digits()
    assert digits.images.shape == (5000, 1, 32, 32)
    assert (float(digits.images.min()), float(digits.images.max())) == (-1, 1)
    assert torch.bincount(digits.labels).tolist() == [500] * 10
