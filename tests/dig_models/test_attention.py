"""Attention implementations that run on a CPU, compared with the materialized one, and their table."""

import pytest
import torch

from dig_models.kernels.attention import ATTENTION


@pytest.mark.parametrize("tokens", [1, 9, 100])
def test_sdpa_equals_math_forward_and_backward(tokens: int) -> None:
    generator = torch.Generator().manual_seed(tokens)
    arguments = [torch.randn(3, tokens, 2, 72, generator=generator).requires_grad_() for _ in range(3)]
    cotangent = torch.randn(3, tokens, 2, 72, generator=generator)
    results = []
    for implementation in ("sdpa", "math"):
        output = ATTENTION[implementation](*arguments)
        results.append([output, *torch.autograd.grad(output, arguments, cotangent)])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_math_keeps_the_attention_matrix_for_the_backward_pass() -> None:
    kept = []
    arguments = [torch.randn(1, 50, 2, 8).requires_grad_() for _ in range(3)]
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.shape), lambda shape: shape):
        ATTENTION["math"](*arguments)
    assert torch.Size([1, 2, 50, 50]) in kept


def test_an_unknown_implementation_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"attention has no implementation 'flash': did you mean flash[23]\?"):
        ATTENTION["flash"]


def test_checking_availability_imports_no_kernel_package() -> None:
    reason = ATTENTION.implementations["flash3"].unavailable(device="cuda", mode="train", precision="bf16")
    assert reason in (
        "fa3_fwd_interface or flash_attn_interface is not installed: pip install fa3-fwd",
        "does forward only",
    )
