"""A step that generates whole images: all sampler steps, and the VAE's decoder if the protocol has one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dig_bench.protocol import Protocol
from dig_bench.run.step import Step
from dig_models import Backbone
from dig_models.samplers import Network, Sampling, draw
from dig_models.vae import VAE_CONFIG, decoder


# B batch, C latent channels, H W latent height and width
def sampling_step(model: Backbone, network: Network, batch_size: int, protocol: Protocol) -> Step:
    """Returns a step of the parts `denoise` and, with a VAE, `decode`: a batch of images by the protocol's sampler.

    `network` is the model, its compiled form, or its CUDA graphs. All noise comes from one generator on the device, so
    that none of it waits for the host. The VAE has random parameters, which cost as much as trained ones.
    """
    parameter = next(model.parameters())
    sampling = Sampling(sampler=protocol.sampler, steps=protocol.sampler_steps, guidance=protocol.guidance)
    labels = [label % model.config.num_classes for label in range(batch_size)]
    generator = torch.Generator(parameter.device).manual_seed(1)
    outputs: list[Tensor] = []

    def denoise() -> None:
        outputs.clear()
        outputs.append(
            draw(
                network,
                model.config,
                labels,
                sampling,
                generators=generator,
                device=parameter.device,
                dtype=parameter.dtype,
            )
        )

    parts: dict[str, Callable[[], object]] = {"denoise": denoise}
    if protocol.vae:
        decode_latents = _decoder(parameter)

        def decode() -> None:
            outputs[0] = decode_latents(outputs[0])

        parts["decode"] = decode
    return Step(parts=parts, outputs=outputs)


def _decoder(like: Tensor) -> Callable[[Tensor], Tensor]:
    """Returns a decoder of latents (B, 4, H, W) to images (B, 3, 8H, 8W), in the dtype and on the device of `like`."""
    from diffusers import AutoencoderKL

    with torch.device(like.device):
        vae = AutoencoderKL(**VAE_CONFIG)
    vae.to(like.dtype).eval()
    # The encoder's weights would count as memory that decoding needs.
    vae.encoder = None
    return decoder(vae)
