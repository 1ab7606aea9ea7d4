"""Implementations of the selective scan that run on a CPU, compared with the loop over tokens."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dig_models.kernels.selective_scan import SELECTIVE_SCAN

reference = SELECTIVE_SCAN["reference"]
chunked = SELECTIVE_SCAN["chunked"]

STEP_TIMES_A = {"Mamba's": 1.0, "strong": 300.0, "none": 1e-7, "mixed": 0.0}


def inputs(tokens: int, decay: str = "Mamba's", batch: int = 1) -> list[Tensor]:
    """Returns u, delta, A, B, C, D, z, delta_bias. Steps are log-uniform in about [0.001, 0.1], or set by `decay`."""
    generator = torch.Generator().manual_seed(tokens)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    channels, states = 6, 16
    delta, A = normal(batch, channels, tokens) - 4, -torch.arange(1.0, 1 + states).repeat(channels, 1)
    if decay == "mixed":
        # softplus is 20 or 2e-9: a token forgets everything, or nothing.
        delta = torch.where(delta > -4, 20.0, -20.0)
    elif decay != "Mamba's":
        delta, A = delta + 4, torch.full_like(A, -STEP_TIMES_A[decay])
    B, C, D = normal(batch, states, tokens), normal(batch, states, tokens), normal(channels)
    u, z, bias = normal(batch, channels, tokens), normal(batch, channels, tokens), 0.1 * normal(channels)
    return [x.requires_grad_() for x in (u, delta, A, B, C, D, z, bias)]


def gradients(function: Callable[..., Tensor], arguments: list[Tensor]) -> list[Tensor]:
    output = function(*arguments)
    cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(5))
    return [output.detach(), *torch.autograd.grad(output, arguments, cotangent)]


@pytest.mark.parametrize("decay", STEP_TIMES_A)
@pytest.mark.parametrize(
    ("tokens", "batch"), [(1, 1), (3, 3), (10, 1), (16, 1), (17, 3), (63, 1), (64, 1), (65, 1), (258, 1)]
)
def test_chunked_equals_reference_forward_and_backward(tokens: int, batch: int, decay: str) -> None:
    arguments = inputs(tokens, decay, batch)
    for actual, expected in zip(gradients(chunked, arguments), gradients(reference, arguments), strict=True):
        assert actual.isfinite().all()
        assert (actual - expected).norm() <= 1e-5 * expected.norm() + 1e-7


@pytest.mark.parametrize("implementation", [reference, chunked])
def test_the_recurrence_by_hand(implementation: Callable[..., Tensor]) -> None:
    """Uses one channel and state, two tokens, steps 1/4 and 1/2, A = -2: h_2 = h_1 / e + B_2 u_2 / 2."""

    def sequence(first: float, second: float) -> Tensor:
        return torch.tensor([[[float(first), float(second)]]])

    bias = 0.3
    delta = sequence(*(math.log(math.expm1(step)) - bias for step in (0.25, 0.5)))
    u, B, C, z = sequence(8, 5), sequence(1, 4), sequence(2, 7), sequence(1, -1)
    output = implementation(u, delta, torch.tensor([[-2.0]]), B, C, torch.tensor([3.0]), z, torch.tensor([bias]))
    first_state = 0.25 * 8
    second_state = first_state / math.e + 0.5 * 4 * 5
    gates = [1 / (1 + math.exp(-1)), -1 / (1 + math.exp(1))]
    expected = [(2 * first_state + 3 * 8) * gates[0], (7 * second_state + 3 * 5) * gates[1]]
    assert output.flatten().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("implementation", [reference, chunked])
def test_a_token_affects_only_itself_and_later_ones(implementation: Callable[..., Tensor]) -> None:
    u, *rest = (x.detach() for x in inputs(40))
    moved = u.clone()
    moved[:, :, 25] += 1
    reached = (implementation(moved, *rest) != implementation(u, *rest)).any(dim=1)[0]
    assert reached.tolist() == [False] * 25 + [True] * 15


def test_half_precision_keeps_its_type_and_accumulates_in_fp32() -> None:
    arguments = [x.detach().bfloat16() for x in inputs(200)]
    exact = reference(*(x.float() for x in arguments))
    output = chunked(*arguments)
    assert output.dtype == torch.bfloat16
    assert (output.float() - exact).norm() <= 4e-3 * exact.norm()


def test_the_backward_pass_of_chunked_does_not_keep_the_states_of_all_tokens() -> None:
    arguments = inputs(640)
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        chunked(*arguments)
    channels, states = arguments[2].shape
    assert 0 < kept < 640 * channels * states


def test_mamba_ssm_has_a_reason_if_it_cannot_run() -> None:
    mamba = SELECTIVE_SCAN.implementations["mamba-ssm"]
    assert mamba.unavailable(device="cpu", mode="forward", precision="fp32") == "runs on cuda only"
    if reason := mamba.unavailable(device="cuda", mode="train", precision="bf16"):
        assert reason == "mamba_ssm is not installed: pip install 'dig-bench[mamba]'"
