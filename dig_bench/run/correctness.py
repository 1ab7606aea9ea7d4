"""Correctness check: compares a backend with its architecture's reference, outputs and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from dig_bench.cell import Cell, Precision
from dig_bench.protocol import Protocol
from dig_bench.run.precision import tf32
from dig_bench.run.step import Inputs, cotangent_like
from dig_models import CATALOG, Backbone, build
from dig_models.catalog import PIXELS_PER_LATENT

SEED = 0


def check(cell: Cell, protocol: Protocol) -> tuple[float, str]:
    """Returns the relative error of the cell's network, and the reason why it is too large (empty when it is not)."""
    error = relative_error(
        cell.model,
        cell.backend,
        precision=cell.precision,
        mode=cell.network_mode,
        device=cell.device,
        grid=protocol.check_grid,
        noise=protocol.check_noise,
    )
    tolerance = protocol.tolerance(cell.precision)
    # NaN is not <= anything.
    return error, "" if error <= tolerance else f"relative error {error:.2g} to the reference, above {tolerance:g}"


@cache
def relative_error(
    model: str, backend: str, *, precision: Precision, mode: str, device: str, grid: int, noise: float
) -> float:
    """Returns the norm of the difference over the norm of the reference; computed once per process and arguments.

    Both networks have the same parameters, moved by noise (a fresh adaLN-Zero network is the identity), and see the
    same `grid` x `grid` tokens. The reference runs in fp32 with TF32 off. In mode `train`, the result is the largest of
    three errors: of the output, of the latent's gradient, and of the gradients of all parameters as one vector. For a
    backend that switches kernels above a number of tokens, it is the larger error of both kernels.
    """
    architecture, config = CATALOG[model]
    image_size = grid * config.patch_size * PIXELS_PER_LATENT
    reference = build(model, image_size=image_size, backend=architecture.reference_backend, device=device)
    move(reference, noise)
    with tf32(False):
        expected = _evaluate(reference, with_gradients=mode == "train")
    errors = []
    for variant in architecture.variants(backend):
        tested = build(model, image_size=image_size, backend=variant, precision=precision, device=device)
        tested.load_state_dict(reference.state_dict())
        with tf32(precision == "tf32"):
            found = _evaluate(tested, with_gradients=mode == "train")
        errors += [_error(ours, exact) for ours, exact in zip(found, expected, strict=True)]
    # Python's max() ignores a NaN that does not come first.
    return float(torch.stack(errors).max())


def move(model: Backbone, noise: float) -> None:
    """Adds seeded noise to every parameter, of standard deviation noise * (64 / width)**0.5.

    Gates and outputs of fresh adaLN-Zero networks are zero, which hides errors and computes faster than trained
    parameters do. The scale keeps the outputs of all sizes within the range of half precision.
    """
    parameters = list(model.parameters())
    generator = torch.Generator(parameters[0].device).manual_seed(SEED)
    std = noise * (64 / model.config.width) ** 0.5
    with torch.no_grad():
        for parameter in parameters:
            draw = torch.randn(parameter.shape, generator=generator, device=parameter.device)
            parameter.add_(std * draw)


def _evaluate(model: Backbone, *, with_gradients: bool) -> list[Sequence[Tensor]]:
    """Returns [[output]], or [[output], [latent's gradient], gradients of the parameters]."""
    inputs = Inputs.random(model, batch_size=2)
    if not with_gradients:
        with torch.inference_mode():
            return [[inputs.into(model)]]
    inputs.latent.requires_grad_(True)
    output = inputs.into(model)
    latent_gradient, *gradients = torch.autograd.grad(
        output, [inputs.latent, *model.parameters()], cotangent_like(model, inputs), materialize_grads=True
    )
    return [[output.detach()], [latent_gradient], gradients]


def _error(found: Sequence[Tensor], expected: Sequence[Tensor]) -> Tensor:
    """Relative error of each side as one vector; NaN for a reference of zeros, which agreement with proves nothing."""
    difference = torch.zeros((), dtype=torch.float64, device=expected[0].device)
    norm = difference.clone()
    for a, b in zip(found, expected, strict=True):
        difference += (a.double() - b.double()).square().sum()
        norm += b.double().square().sum()
    return (difference / norm).sqrt()
