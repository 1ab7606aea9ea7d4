"""Inputs of the gated linear attention mixer, and the comparison of two implementations."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dig_models.kernels.gla_mixer import GATE_RANK, KEY_CHANNELS, VALUE_CHANNELS

Grid = tuple[int, int]

BIASES = {"learnt": 0.0, "forgets nothing": 6.4, "forgets much": -10.0, "forgets all": -320.0}
"""Biases of the gate, for log decays of about -0.05, -1e-4, -0.6 and -20 per token. "forgets much" is near the limit of
the fast scores; two tokens that forget all exceed it."""
DECAYS = (*BIASES, "by channel", "by token")


def inputs(grid: Grid, decay: str, *, batch: int = 1, heads: int = 2) -> list[Tensor]:
    """Returns the four tensors of gla_mixer, fp32, seeded.

    q and k are far from orthogonal, so that no output is near zero, where the norm would amplify its rounding. With "by
    token", each token forgets either everything or as much as "learnt".
    """
    generator = torch.Generator().manual_seed(7)
    tokens, keys, values = grid[0] * grid[1], heads * KEY_CHANNELS, heads * VALUE_CHANNELS

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    projected = noise(batch, tokens, 2 * keys + 2 * values + GATE_RANK)
    projected[..., : 2 * keys] = 1 + projected[..., : 2 * keys] / 2
    gate_up, gate_bias = 0.3 * noise(keys, GATE_RANK), noise(keys)
    if decay == "by channel":
        gate_bias += torch.where(noise(keys) > 0, BIASES["forgets all"], BIASES["forgets nothing"])
    elif decay == "by token":
        projected[..., -1] = projected[..., -1].sign()
        gate_up[:, -1] = -BIASES["forgets all"] / 2
        gate_bias += BIASES["forgets all"] / 2
    else:
        gate_bias += BIASES[decay]
    return [projected, gate_up, gate_bias, noise(VALUE_CHANNELS)]


def outputs(mixer: Callable[..., Tensor], arguments: list[Tensor], grid: Grid, order: int) -> list[Tensor]:
    """Returns y, the gradients of all four arguments, and y of a call without gradients, which may run other
    kernels."""
    arguments = [argument.detach().requires_grad_() for argument in arguments]
    y = mixer(*arguments, grid, order)
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(5)).to(y)
    gradients = torch.autograd.grad(y, arguments, cotangent)
    with torch.no_grad():
        return [y.detach(), *gradients, mixer(*arguments, grid, order)]


def assert_close(ours: list[Tensor], expected: list[Tensor], tolerance: float, heads: int) -> None:
    """Compares norms, separately for each part of the gradient of `projected`.

    The RMS norm removes the scale of its input. For a token that sees only itself, q . k is only such a scale, so the
    true gradients of q and k are almost zero, and the rounding of cancelled terms remains. So these two are compared
    relative to the gradient of v as well, which has their size if nothing cancels.
    """
    for (name, actual), (_, reference) in zip(_named(ours, heads), _named(expected, heads), strict=True):
        assert actual.isfinite().all(), name
        error, scale = (actual.float() - reference).norm(), reference.norm()
        if name in ("q", "k"):
            scale = torch.maximum(scale, dict(_named(expected, heads))["v"].norm() / 10)
        assert error <= tolerance * scale + 1e-12, f"{name}: {error / scale:.1e}"


def _named(tensors: list[Tensor], heads: int) -> Iterator[tuple[str, Tensor]]:
    y, projected, gate_up, gate_bias, norm_weight, y_alone = tensors
    keys, values = heads * KEY_CHANNELS, heads * VALUE_CHANNELS
    parts = projected.split([keys, keys, values, values, GATE_RANK], dim=-1)
    yield "y", y
    yield from zip(("q", "k", "v", "g", "low_rank"), parts, strict=True)
    yield from (("gate_up", gate_up), ("gate_bias", gate_bias), ("norm_weight", norm_weight), ("y alone", y_alone))
