"""Inputs and results of the fused elementwise operations, and the comparison of two implementations."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor

from dig_models.kernels.gate_residual import GATE_RESIDUAL
from dig_models.kernels.gate_residual_norm_modulate import GATE_RESIDUAL_NORM_MODULATE
from dig_models.kernels.norm_modulate import NORM_MODULATE
from dig_models.kernels.residual_conv import RESIDUAL_CONV
from dig_models.kernels.residual_conv_norm_modulate import RESIDUAL_CONV_NORM_MODULATE
from dig_models.kernels.swiglu_mlp import SWIGLU_MLP

Grid = tuple[int, int]

OPERATIONS = {
    op.name: op
    for op in (
        NORM_MODULATE,
        GATE_RESIDUAL,
        GATE_RESIDUAL_NORM_MODULATE,
        SWIGLU_MLP,
        RESIDUAL_CONV,
        RESIDUAL_CONV_NORM_MODULATE,
    )
}
ARGUMENTS = {
    "norm_modulate": ("x", "shift", "scale"),
    "gate_residual": ("x", "gate", "y"),
    "gate_residual_norm_modulate": ("x", "gate", "y", "shift", "scale"),
    "swiglu_mlp": ("x", "gate_weight", "down_weight"),
    "residual_conv": ("x", "gate", "y", "weight", "bias", "grid", "order"),
    "residual_conv_norm_modulate": ("x", "gate", "y", "weight", "bias", "shift", "scale", "grid", "order"),
}

CANCELLED = {"residual_conv_norm_modulate": ("bias",)}
"""Gradients that sum bf16 values of both signs over tokens. PyTorch's own gradients in bf16 have the same error, which
grows with the number of tokens."""


def rounded(operation: str, tensors: Mapping[str, Tensor], grid: Grid, order: int = 0) -> dict[str, Tensor]:
    """Returns the CANCELLED gradients of the reference, computed in the dtype of the tensors."""
    names = CANCELLED.get(operation, ())
    found = results(operation, OPERATIONS[operation]["reference"], tensors, grid, order) if names else {}
    return {name: found[name] for name in names}


def use_one_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the convolution and the norm as one kernel at every width."""
    module = importlib.import_module(OPERATIONS["residual_conv_norm_modulate"].implementations["fused"].module)
    monkeypatch.setattr(module, "WIDEST", 10**9)


def many(operation: str) -> str:
    """The name of the fused implementation's variant for many tokens, or `fused` if it has none."""
    return OPERATIONS[operation].variants("fused")[-1]


def divide_into(programs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Divides the work among about so many programs."""
    for op in OPERATIONS.values():
        if op is not SWIGLU_MLP:
            for launch in importlib.import_module(op.implementations["fused"].module).LAUNCH.values():
                monkeypatch.setitem(launch, "programs", programs)


@contextmanager
def poisoned_memory() -> Iterator[None]:
    """Fills torch.empty and its like with NaN while the block runs: PyTorch's deterministic mode does."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.empty(1).new_empty(1).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


def leaves(operation: str, grid: Grid, width: int, batch: int) -> dict[str, Tensor]:
    """Returns the tensors that have gradients, fp32, seeded. Shift, scale and gate are views of `modulation`."""
    generator = torch.Generator().manual_seed(7)
    tokens = grid[0] * grid[1]
    shapes = {
        "x": (batch, tokens, width),
        "y": (batch, tokens, width),
        "modulation": (batch, 6 * width),
        "weight": (width, 1, 3, 3),
        "bias": (width,),
        "gate_weight": (4 * width, width),
        "down_weight": (width, 2 * width),
    }
    used = set(ARGUMENTS[operation])
    if used & {"shift", "scale", "gate"}:
        used.add("modulation")
    # A mean far from zero, which LayerNorm subtracts.
    tensors = {name: 0.5 + torch.randn(shape, generator=generator) for name, shape in shapes.items() if name in used}
    for name in used & {"gate_weight", "down_weight"}:
        tensors[name] = (tensors[name] - 0.5) * shapes[name][1] ** -0.5
    return tensors


def results(
    operation: str, implementation: Callable[..., Any], tensors: Mapping[str, Tensor], grid: Grid, order: int = 0
) -> dict[str, Tensor]:
    """Returns the outputs by number, and the gradients of all leaves by name."""
    tensors = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    named: dict[str, Any] = {**tensors, "grid": grid, "order": order}
    if "modulation" in tensors:
        named["shift"], named["scale"], named["gate"] = tensors["modulation"].chunk(6, dim=1)[1:4]
    outputs = implementation(*(named[name] for name in ARGUMENTS[operation]))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    gradients = torch.autograd.grad(outputs, list(tensors.values()), list(map(cotangent_of, outputs)))
    return {str(i): output.detach() for i, output in enumerate(outputs)} | dict(zip(tensors, gradients, strict=True))


def cotangent_of(output: Tensor) -> Tensor:
    """Returns a cotangent that is exact in bf16. A copy from the host would break the capture of a CUDA graph."""
    numbers = torch.arange(output.numel(), device=output.device).float().sin().bfloat16()
    return numbers.view(output.shape).to(output.dtype)


def assert_close(
    ours: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    tolerance: float,
    rounded: Mapping[str, Tensor] = MappingProxyType({}),
) -> None:
    """Compares relative errors of whole tensors. Allows 1.5 times the error of PyTorch's `rounded` gradients."""
    for name, reference in expected.items():
        assert ours[name].shape == reference.shape, name
        assert ours[name].isfinite().all(), name
        error = (ours[name].float() - reference).norm()
        allowed = tolerance * reference.norm() + 1e-6
        if name in rounded:
            allowed = torch.maximum(allowed, 1.5 * (rounded[name].float() - reference).norm())
        assert error <= allowed, f"{name}: {error / reference.norm():.1e}"
