"""Fused gated linear attention mixer on a GPU, compared with the reference in fp32."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.gated_linear_attention import GATED_LINEAR_ATTENTION
from dig_models.kernels.gla_mixer import (
    GATE_NORMALIZER,
    GATE_RANK,
    GLA_MIXER,
    KEY_CHANNELS,
    NORM_EPS,
    VALUE_CHANNELS,
)
from dig_models.kernels.scan_index import scan_index
from gla_mixer_cases import DECAYS, Grid, assert_close, inputs, outputs

pytestmark = pytest.mark.gpu

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 1e-2}


@pytest.fixture
def fused() -> Callable[..., Tensor]:
    pytest.importorskip("triton", reason="needs Triton")
    return GLA_MIXER["fused"]


@pytest.fixture(autouse=True)
def exact_fp32_and_unwritten_memory_is_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    new_empty, empty_like = Tensor.new_empty, torch.empty_like
    monkeypatch.setattr(Tensor, "new_empty", lambda *args, **kwargs: new_empty(*args, **kwargs).fill_(torch.nan))
    monkeypatch.setattr(torch, "empty_like", lambda *args, **kwargs: empty_like(*args, **kwargs).fill_(torch.nan))


def chunked(
    projected: Tensor, gate_up: Tensor, gate_bias: Tensor, norm_weight: Tensor, grid: Grid, order: int
) -> Tensor:
    """Computes the reference with chunkwise matmuls instead of its loop: seconds instead of minutes."""
    heads = gate_bias.shape[0] // KEY_CHANNELS
    token_T = scan_index(grid, order, projected.device)
    keys, values = heads * KEY_CHANNELS, heads * VALUE_CHANNELS
    parts = projected[:, token_T].split([keys, keys, values, values, GATE_RANK], dim=-1)
    q, k, v, g = (part.unflatten(-1, (heads, -1)) for part in parts[:4])
    log_decay = F.logsigmoid(F.linear(parts[4], gate_up, gate_bias)).unflatten(-1, (heads, -1)) / GATE_NORMALIZER
    o = GATED_LINEAR_ATTENTION["chunked"](q, k, v, log_decay)
    y = F.rms_norm(o, (VALUE_CHANNELS,), norm_weight, NORM_EPS) * F.silu(g)
    return y.flatten(2)[:, torch.argsort(token_T)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize(
    ("grid", "batch", "heads"), [((1, 1), 1, 6), ((3, 3), 3, 1), ((10, 10), 1, 16), ((7, 9), 3, 6), ((63, 65), 1, 6)]
)
def test_fused_equals_reference(
    fused: Callable[..., Tensor], grid: Grid, batch: int, heads: int, decay: str, dtype: torch.dtype
) -> None:
    order = (grid[0] + grid[1]) % 4
    arguments = [argument.to("cuda", dtype) for argument in inputs(grid, decay, batch=batch, heads=heads)]
    expected = outputs(chunked, [argument.float() for argument in arguments], grid, order)
    assert_close(outputs(fused, arguments, grid, order), expected, TOLERANCE[dtype], heads)


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("batch", [1, 3])
def test_every_scan_order_of_a_larger_grid(fused: Callable[..., Tensor], batch: int, order: int) -> None:
    arguments = [argument.to("cuda", torch.bfloat16) for argument in inputs((63, 65), "learnt", batch=batch, heads=18)]
    expected = outputs(chunked, [argument.float() for argument in arguments], (63, 65), order)
    assert_close(outputs(fused, arguments, (63, 65), order), expected, 1e-2, 18)


def test_the_reference_itself(fused: Callable[..., Tensor]) -> None:
    """Checks that `chunked` above equals the reference."""
    arguments = [argument.to("cuda") for argument in inputs((10, 10), "by token")]
    assert_close(
        outputs(fused, arguments, (10, 10), 3), outputs(GLA_MIXER["reference"], arguments, (10, 10), 3), 1e-4, 2
    )
    assert_close(
        outputs(chunked, arguments, (10, 10), 3), outputs(GLA_MIXER["reference"], arguments, (10, 10), 3), 1e-4, 2
    )


def test_results_are_bitwise_reproducible(fused: Callable[..., Tensor]) -> None:
    arguments = [argument.to("cuda", torch.bfloat16) for argument in inputs((63, 65), "learnt", batch=2, heads=6)]
    first, second = (outputs(fused, arguments, (63, 65), 2) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_graph_captures_forward_and_backward(fused: Callable[..., Tensor]) -> None:
    arguments = [argument.to("cuda", torch.bfloat16) for argument in inputs((32, 32), "learnt", heads=6)]
    for argument in arguments:
        argument.requires_grad_()

    def step() -> tuple[Tensor, ...]:
        y = fused(*arguments, (32, 32), 1)
        return y.detach(), *torch.autograd.grad(y, arguments, torch.ones_like(y))

    expected = step()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    graph.replay()
    torch.cuda.synchronize()
    assert all(torch.equal(ours, eager) for ours, eager in zip(captured, expected, strict=True))


def test_compiles_without_a_graph_break(fused: Callable[..., Tensor]) -> None:
    arguments = [argument.to("cuda", torch.bfloat16) for argument in inputs((16, 16), "learnt", heads=6)]
    compiled = torch.compile(fused, fullgraph=True)
    ours, eager = outputs(compiled, arguments, (16, 16), 2), outputs(fused, arguments, (16, 16), 2)
    assert_close(ours, [tensor.float() for tensor in eager], 1e-6, 6)


def test_one_binary_serves_every_size_and_order(fused: Callable[..., Tensor]) -> None:
    """Resolution, batch, heads and scan order do not cause a recompilation."""
    from dig_models.kernels.gla_mixer.forward_kernels import outputs_kernel

    def binaries() -> int:
        return len(outputs_kernel.jit.device_caches[torch.cuda.current_device()][0])

    for grid, heads in (((1, 1), 1), ((16, 16), 16)):
        fused(*(x.to("cuda", torch.bfloat16) for x in inputs(grid, "learnt", heads=heads)), grid, 0)
    before = binaries()
    for grid, heads, order in (((3, 5), 6, 1), ((32, 48), 18, 2), ((1, 64), 2, 3)):
        fused(*(x.to("cuda", torch.bfloat16) for x in inputs(grid, "learnt", heads=heads)), grid, order)
    assert binaries() == before
