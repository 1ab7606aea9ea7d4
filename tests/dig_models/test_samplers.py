"""Samplers with networks whose predictions are known."""

import math

import pytest
import torch
from torch import Tensor

pytest.importorskip("diffusers")

from dig_models import BackboneConfig, with_guidance
from dig_models.samplers import Sampling, draw, generators_for

CONFIG = BackboneConfig(latent_size=4, patch_size=2, width=8, depth=1, num_classes=3, in_channels=1)
ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), dim=0)


class Oracle:
    """Predicts the exact noise, since all images of a class are equal. Records its calls."""

    def __init__(self, *, variance: float = -1.0) -> None:
        self.variance = variance
        self.calls: list[Tensor] = []

    def image(self, label_B: Tensor) -> Tensor:
        return (label_B[:, None, None, None] * 0.25 - 0.5).expand(-1, 1, 4, 4)

    def __call__(self, latent: Tensor, timestep: Tensor, label: Tensor) -> Tensor:
        self.calls.append(timestep)
        kept = ALPHA_BAR[timestep][:, None, None, None]
        noise = (latent - kept.sqrt() * self.image(label)) / (1 - kept).sqrt()
        return torch.cat([noise, torch.full_like(noise, self.variance)], dim=1)


def drawn(sampling: Sampling, labels: list[int], *, seed: int = 0, network: object = None, first: int = 0) -> Tensor:
    generators = generators_for(range(first, first + len(labels)), seed=seed)
    return draw(network or Oracle(), CONFIG, labels, sampling, generators=generators)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(sampler="ddpm", steps=25),
        Sampling(sampler="ddpm", steps=1000),
        Sampling(sampler="ddim", steps=20),
        Sampling(sampler="dpm++", steps=20),
    ],
    ids=str,
)
def test_every_sampler_recovers_the_images_of_an_oracle(sampling: Sampling) -> None:
    labels = [0, 1, 2]
    found = drawn(sampling, labels)
    torch.testing.assert_close(found, Oracle().image(torch.tensor(labels)), atol=2e-2, rtol=0)


@pytest.mark.parametrize(("sampler", "steps"), [("ddpm", 25), ("ddim", 20), ("dpm++", 20)])
def test_each_sampler_step_is_one_evaluation_starting_at_the_noisiest(sampler: str, steps: int) -> None:
    network, after = Oracle(), []
    draw(
        network,
        CONFIG,
        [0, 1],
        Sampling(sampler=sampler, steps=steps),  # type: ignore[arg-type]
        generators=generators_for([0, 1], seed=0),
        after_step=lambda: after.append(1),
    )
    timesteps = [int(call[0]) for call in network.calls]
    assert len(timesteps) == len(after) == steps
    assert timesteps[0] == 999
    assert timesteps == sorted(timesteps, reverse=True)
    assert all(call.shape == (2,) for call in network.calls)


def test_ddpm_draws_with_the_learned_variance() -> None:
    """The network predicts no noise, so the latent after one of two steps has the predicted variance."""

    class Clueless(Oracle):
        def __call__(self, latent: Tensor, timestep: Tensor, label: Tensor) -> Tensor:
            self.calls.append(latent)
            return torch.cat([torch.zeros_like(latent), torch.full_like(latent, self.variance)], dim=1)

    config = BackboneConfig(latent_size=64, patch_size=2, width=8, depth=1, num_classes=3, in_channels=1)
    # The two steps are 999 and 0: beta is 1 - alpha_bar(999) / alpha_bar(0).
    beta = float(1 - ALPHA_BAR[999] / ALPHA_BAR[0])
    posterior = float(beta * (1 - ALPHA_BAR[0]) / (1 - ALPHA_BAR[999]))
    for variance, expected in ((1.0, beta), (-1.0, posterior), (0.0, math.sqrt(beta * posterior))):
        network = Clueless(variance=variance)
        draw(network, config, [0], Sampling(steps=2, clip=True), generators=generators_for([0], seed=0))
        first, second = network.calls
        # With clipped images the mean is small beside the noise, and independent of it.
        clean = (first / ALPHA_BAR[999].sqrt()).clamp(-1, 1)
        mean = clean * ALPHA_BAR[0].sqrt() * beta / (1 - ALPHA_BAR[999]) + first * (1 - beta) ** 0.5 * (
            1 - ALPHA_BAR[0]
        ) / (1 - ALPHA_BAR[999])
        assert (second - mean).var().item() == pytest.approx(expected, rel=0.1)


def test_an_image_does_not_depend_on_its_batch() -> None:
    sampling = Sampling(sampler="ddpm", steps=5)
    together = drawn(sampling, [0, 1, 2])
    alone = drawn(sampling, [2], first=2)
    torch.testing.assert_close(together[2:], alone)


def test_seeds_give_other_images_and_the_same_again() -> None:
    sampling = Sampling(sampler="ddim", steps=1)
    network = Oracle()
    assert torch.equal(drawn(sampling, [0], seed=1, network=network), drawn(sampling, [0], seed=1, network=network))
    noise = [generators[0].initial_seed() for generators in (generators_for([0], seed=1), generators_for([0], seed=2))]
    assert noise[0] != noise[1]


def test_guidance_leads_away_from_the_null_label() -> None:
    """The oracle's null label is class 3. With scale 2, an image is twice as far from it as its class is."""
    found = drawn(Sampling(sampler="ddim", steps=100, guidance=2.0), [1])
    null, own = (float(Oracle().image(torch.tensor([label])).mean()) for label in (3, 1))
    assert float(found.mean()) == pytest.approx(null + 2 * (own - null), abs=0.03)


def test_guidance_of_a_single_channel_keeps_its_variance() -> None:
    def network(latent: Tensor, timestep: Tensor, label: Tensor) -> Tensor:
        return label[:, None, None, None] * torch.tensor([1.0, 10.0]).view(1, 2, 1, 1).expand(len(label), 2, 4, 4)

    latents, labels = torch.zeros(2, 1, 4, 4), torch.tensor([1, 3])
    found = with_guidance(network, latents, torch.zeros(2), labels, 4.0)
    assert found[:, 0].unique().tolist() == [3 + 4.0 * (1 - 3)]
    assert found[0, 1].unique().tolist() == [10.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "ddmp"}, "no sampler 'ddmp': did you mean ddpm"),
        ({"steps": 0}, "1 to 1000 steps, not 0"),
        ({"sampler": "ddim", "steps": 30}, "must divide 1000, 30 does not"),
        ({"guidance": float("nan")}, "finite, not nan"),
    ],
)
def test_settings_out_of_range_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**options)


def test_unknown_classes_and_broken_networks_are_named() -> None:
    with pytest.raises(ValueError, match="no class 3: classes are 0 to 2"):
        drawn(Sampling(steps=1), [3])
    with pytest.raises(ValueError, match="not finite"):
        drawn(Sampling(sampler="ddim", steps=1), [0], network=lambda latent, *_: latent.repeat(1, 2, 1, 1) * math.nan)
