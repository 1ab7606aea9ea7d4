"""Implementations of gated linear attention that run on a CPU, compared with the loop over tokens."""

import pytest
import torch
from torch import Tensor

from dig_models.kernels.gated_linear_attention import GATED_LINEAR_ATTENTION

reference = GATED_LINEAR_ATTENTION["reference"]
chunked = GATED_LINEAR_ATTENTION["chunked"]


def inputs(tokens: int, log_decay: float | str, batch: int = 1, heads: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(tokens)
    q, k, gate = (torch.randn(batch, tokens, heads, 32, generator=generator) for _ in range(3))
    v = torch.randn(batch, tokens, heads, 64, generator=generator)
    if log_decay == "mixed":
        decay = torch.where(gate > 0, -20.0, -1e-4)
    elif log_decay == "gate":
        decay = torch.nn.functional.logsigmoid(gate) / 16
    else:
        decay = torch.full_like(gate, float(log_decay))
    return [x.requires_grad_() for x in (q, k, v, decay)]


def gradients(function, arguments: list[Tensor]) -> list[Tensor]:  # type: ignore[no-untyped-def]
    output = function(*arguments)
    cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(5))
    return [output.detach(), *torch.autograd.grad(output, arguments, cotangent)]


@pytest.mark.parametrize("log_decay", ["gate", "mixed", -20.0, -1e-4, 0.0, -1000.0])
@pytest.mark.parametrize("tokens", [1, 9, 16, 17, 100])
def test_chunked_equals_reference_forward_and_backward(tokens: int, log_decay: float | str) -> None:
    arguments = inputs(tokens, log_decay, batch=3 if tokens == 9 else 1)
    for actual, expected in zip(gradients(chunked, arguments), gradients(reference, arguments), strict=True):
        assert actual.isfinite().all()
        assert (actual - expected).norm() <= 1e-4 * expected.norm() + 1e-6


def test_the_recurrence_by_hand() -> None:
    """Uses one key and one value channel, two tokens, decay one half: o_2 = q_2 (k_1 v_1 / 2 + k_2 v_2)."""
    q, k, v = (torch.tensor(x).view(1, 2, 1, 1) for x in ([1.0, 3.0], [2.0, 5.0], [7.0, 11.0]))
    decay = torch.full((1, 2, 1, 1), 0.5).log()
    for implementation in (reference, chunked):
        assert implementation(q, k, v, decay).flatten().tolist() == pytest.approx([14.0, 3 * (7.0 + 55.0)])


def test_later_tokens_do_not_affect_earlier_ones() -> None:
    q, k, v, decay = (x.detach() for x in inputs(40, "gate"))
    before = chunked(q, k, v, decay)
    v[:, 25:] += 1
    k[:, 25:] -= 1
    after = chunked(q, k, v, decay)
    assert torch.equal(after[:, :25], before[:, :25])
    assert not torch.allclose(after[:, 25:], before[:, 25:])


def test_half_precision_keeps_its_type_and_accumulates_in_fp32() -> None:
    arguments = [x.detach().bfloat16() for x in inputs(200, "gate")]
    exact = reference(*(x.float() for x in arguments))
    output = chunked(*arguments)
    assert output.dtype == torch.bfloat16
    assert (output.float() - exact).norm() <= 4e-3 * exact.norm()
