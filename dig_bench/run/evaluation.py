"""Evaluation: the output and the gradients of a network for some inputs, and the distance of two evaluations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dig_bench.run.step import Inputs
from dig_models import Backbone

COTANGENT_STD = 2.0**-6
"""Standard deviation of the gradient of the output: gradients neither overflow nor vanish in fp16."""


# B batch, C latent channels, H W latent height and width
@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Output (B, C', H, W); with gradients also that of the latent (B, C, H, W) and those of all parameters."""

    output: Tensor
    latent_gradient: Tensor | None = None
    parameter_gradients: Sequence[Tensor] = ()

    def image(self, index: int) -> Evaluation:
        """Returns output and latent gradient of one image, as a batch of one."""
        gradient = None if self.latent_gradient is None else self.latent_gradient[index : index + 1]
        return Evaluation(output=self.output[index : index + 1], latent_gradient=gradient)

    def without_parameters(self) -> Evaluation:
        return replace(self, parameter_gradients=())


def evaluate(call: Callable[..., Tensor], model: Backbone, inputs: Inputs, cotangent: Tensor | None) -> Evaluation:
    """Calls the model, or its compiled form, on the inputs in the model's precision.

    Computes gradients from `cotangent`, the gradient of the output (B, C', H, W); runs in inference mode without one.
    """
    latent = inputs.latent.detach().to(next(model.parameters()).dtype)
    if cotangent is None:
        with torch.inference_mode():
            return Evaluation(output=call(latent, inputs.timestep, inputs.label))
    latent = latent.clone().requires_grad_(True)
    output = call(latent, inputs.timestep, inputs.label)
    latent_gradient, *gradients = torch.autograd.grad(
        output, [latent, *model.parameters()], cotangent.to(output.dtype), materialize_grads=True
    )
    return Evaluation(output=output.detach(), latent_gradient=latent_gradient, parameter_gradients=gradients)


def random_cotangent(model: Backbone, inputs: Inputs) -> Tensor:
    """Returns a seeded random gradient of the output, (B, C', H, W)."""
    batch_size, _, *size = inputs.latent.shape
    generator = torch.Generator(inputs.latent.device).manual_seed(2)
    shape = (batch_size, model.config.out_channels, *size)
    draw = torch.randn(shape, generator=generator, device=inputs.latent.device)
    return (draw * COTANGENT_STD).to(inputs.latent.dtype)


def errors(found: Evaluation, expected: Evaluation) -> dict[str, float]:
    """Returns the relative errors of the parts that both sides have: `output`, `input gradient`, ..."""
    parts = {
        "output": ([found.output], [expected.output]),
        "input gradient": (_present(found.latent_gradient), _present(expected.latent_gradient)),
        "parameter gradients": (found.parameter_gradients, expected.parameter_gradients),
    }
    return {name: relative_error(ours, exact) for name, (ours, exact) in parts.items() if ours and exact}


def _present(tensor: Tensor | None) -> list[Tensor]:
    return [] if tensor is None else [tensor]


def relative_error(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Relative error of a side as one vector; NaN if the reference is all zeros."""
    difference = torch.zeros((), dtype=torch.float64, device=expected[0].device)
    norm = difference.clone()
    for a, b in zip(found, expected, strict=True):
        difference += (a.double() - b.double()).square().sum()
        norm += b.double().square().sum()
    return float((difference / norm).sqrt())
