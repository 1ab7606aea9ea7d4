"""Selective scan of mamba-ssm compared with the reference in fp32, forward and all gradients, over irregular
lengths."""

import pytest
import torch
from torch import Tensor

from dig_models.kernels.selective_scan import SELECTIVE_SCAN

pytestmark = pytest.mark.gpu

CHANNELS, STATES = 80, 16
SMALLEST = 1e-2
"""Added to the norms of gradients, which are 1 and more. The gradient of A is zero up to rounding for one token."""
NAMES = ("y", "u", "delta", "A", "B", "C", "D", "z", "bias")


@pytest.fixture(autouse=True)
def _can_run() -> None:
    mamba = SELECTIVE_SCAN.implementations["mamba-ssm"]
    if reason := mamba.unavailable(device="cuda", mode="train", precision="bf16"):
        pytest.skip(reason)


def inputs(tokens: int, batch: int, shift: float, dtype: torch.dtype) -> list[Tensor]:
    """Returns u, delta, B, C and z in `dtype`, as the mixer computes them; A, D and the bias in fp32."""
    generator = torch.Generator().manual_seed(tokens)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    u, delta, z = (normal(batch, CHANNELS, tokens).to("cuda", dtype) for _ in range(3))
    B, C = normal(batch, 2 * STATES, tokens).to("cuda", dtype).chunk(2, dim=1)
    A, D, bias = -torch.arange(1.0, 1 + STATES).repeat(CHANNELS, 1), normal(CHANNELS), normal(CHANNELS) + shift
    return [u, delta, A.cuda(), B, C, D.cuda(), z, bias.cuda()]


def gradients(implementation: str, arguments: list[Tensor]) -> list[Tensor]:
    arguments = [argument.detach().requires_grad_() for argument in arguments]
    output = SELECTIVE_SCAN[implementation](*arguments)
    cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(5)).to(output)
    return [output.detach(), *torch.autograd.grad(output, arguments, cotangent)]


# mamba-ssm computes the decayed state as a difference in its backward pass, so A's gradient is less accurate.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-4), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("shift", [-4.0, 10.0], ids=["Mamba's decay", "strong decay"])
@pytest.mark.parametrize(("tokens", "batch"), [(1, 1), (7, 3), (100, 2), (1026, 1), (2048, 1)])
def test_mamba_ssm_equals_reference(
    tokens: int, batch: int, shift: float, dtype: torch.dtype, tolerance: float
) -> None:
    arguments = inputs(tokens, batch, shift, dtype)
    expected = gradients("reference", [argument.float() for argument in arguments])
    errors = {
        name: float((actual.float() - exact).norm() / (exact.norm() + SMALLEST))
        for name, actual, exact in zip(NAMES, gradients("mamba-ssm", arguments), expected, strict=True)
    }
    assert {name: error for name, error in errors.items() if not error <= tolerance} == {}


def test_chunked_equals_reference_on_the_gpu() -> None:
    arguments = inputs(100, 2, -4.0, torch.float32)
    for actual, exact in zip(gradients("chunked", arguments), gradients("reference", arguments), strict=True):
        assert (actual - exact).norm() <= 1e-4 * exact.norm()


def test_the_row_says_which_package_and_version_ran() -> None:
    assert SELECTIVE_SCAN.source("mamba-ssm").startswith("mamba-ssm ")
