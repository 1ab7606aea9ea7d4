"""Fused elementwise operations on a GPU, compared with plain PyTorch in fp32: forward and all gradients."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dig_models.kernels.linear_gelu import LINEAR_GELU
from dig_models.kernels.swiglu_mlp import SWIGLU_MLP
from dig_models.layers.scan_order import ScanOrder
from elementwise_cases import (
    OPERATIONS,
    Grid,
    assert_close,
    leaves,
    many,
    poisoned_memory,
    results,
    rounded,
    use_one_kernel,
)

pytestmark = pytest.mark.gpu

every_operation = pytest.mark.parametrize("operation", OPERATIONS)
SHAPES = [
    ((1, 1), 64, 1),
    ((3, 3), 100, 3),
    ((63, 65), 384, 2),
    ((65, 63), 768, 1),
    ((16, 16), 1024, 16),
    ((128, 128), 1152, 1),
    ((7, 9), 1600, 70),
]


@pytest.fixture(autouse=True)
def exact_fp32() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@pytest.fixture(autouse=True)
def one_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    use_one_kernel(monkeypatch)


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan() -> Iterator[None]:
    with poisoned_memory():
        yield


def on_gpu(operation: str, grid: Grid, width: int, batch: int, dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: tensor.to("cuda", dtype) for name, tensor in leaves(operation, grid, width, batch).items()}


def check(
    operation: str,
    grid: Grid,
    width: int,
    batch: int,
    dtype: torch.dtype,
    order: int,
    implementation: str | None = None,
) -> None:
    tensors = on_gpu(operation, grid, width, batch, dtype)
    ours = results(operation, OPERATIONS[operation][implementation or many(operation)], tensors, grid, order)
    exact = {name: tensor.float() for name, tensor in tensors.items()}
    expected = results(operation, OPERATIONS[operation]["reference"], exact, grid, order)
    if dtype == torch.bfloat16:
        assert_close(ours, expected, 1e-2, rounded(operation, tensors, grid, order))
    else:
        assert_close(ours, expected, 1e-4)


@every_operation
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("grid", "width", "batch"), SHAPES)
def test_fused_equals_reference(operation: str, grid: Grid, width: int, batch: int, dtype: torch.dtype) -> None:
    check(operation, grid, width, batch, dtype, order=3)


@pytest.mark.parametrize("operation", ["residual_conv", "residual_conv_norm_modulate"])
@pytest.mark.parametrize("order", list(ScanOrder))
@pytest.mark.parametrize("grid", [(1, 40), (40, 1), (31, 50)])
def test_every_scan_order(operation: str, order: ScanOrder, grid: Grid) -> None:
    check(operation, grid, 384, 2, torch.float32, order)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("grid", "width", "batch"), SHAPES[:4])
def test_the_convolution_with_the_norm_of_few_tokens(grid: Grid, width: int, batch: int, dtype: torch.dtype) -> None:
    check("residual_conv_norm_modulate", grid, width, batch, dtype, order=2, implementation="fused:few")


@pytest.mark.parametrize("width", [384, 768, 1152])
def test_the_convolution_with_the_norm_in_fp16(width: int) -> None:
    tensors = on_gpu("residual_conv_norm_modulate", (16, 16), width, 3, torch.float16)
    op, exact = OPERATIONS["residual_conv_norm_modulate"], {name: x.float() for name, x in tensors.items()}
    expected = results(op.name, op["reference"], exact, (16, 16), 2)
    assert_close(results(op.name, op["fused:many"], tensors, (16, 16), 2), expected, 1e-2)


@every_operation
def test_results_are_bitwise_reproducible(operation: str) -> None:
    tensors = on_gpu(operation, (63, 65), 1152, 2, torch.bfloat16)
    first, second = (results(operation, OPERATIONS[operation][many(operation)], tensors, (63, 65)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@every_operation
def test_a_graph_replays_with_new_values(operation: str) -> None:
    fused, grid = OPERATIONS[operation][many(operation)], (12, 20)
    tensors = on_gpu(operation, grid, 384, 2, torch.bfloat16)
    results(operation, fused, tensors, grid)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        replayed = results(operation, fused, tensors, grid)
    for tensor in tensors.values():
        tensor.normal_()
    graph.replay()
    again = results(operation, fused, tensors, grid)
    assert all(torch.equal(replayed[name], again[name]) for name in again)


@pytest.mark.parametrize("wants_gradient", [False, True])
def test_gelu_is_the_tanh_approximation_with_and_without_gradients(wants_gradient: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 63, 384), (1536, 384), (1536,)
    x, weight, bias = (torch.randn(shape, generator=generator).cuda() for shape in shapes)
    weight = (weight / 384**0.5).requires_grad_(wants_gradient)
    found = LINEAR_GELU["fused"](x, weight, bias)
    assert found.requires_grad == wants_gradient
    torch.testing.assert_close(found, LINEAR_GELU["reference"](x, weight, bias), rtol=1e-5, atol=1e-5)
    half = (tensor.bfloat16() for tensor in (x, weight, bias))
    assert (LINEAR_GELU["fused"](*half) - found).norm() < 1e-2 * found.norm()


@pytest.mark.parametrize("fewest", [1, 10**9])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("tokens", "width", "hidden"), [(1, 64, 256), (100, 64, 128), (130, 40, 104), (4095, 384, 1024), (5000, 1152, 3072)]
)
def test_the_gemm_with_swiglu_in_its_epilogue(
    tokens: int, width: int, hidden: int, dtype: torch.dtype, fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = {"few": 264, "narrow": fewest, "wide": 1}
    monkeypatch.setattr("dig_models.kernels.swiglu_mlp.fused.PROGRAMS", programs)
    generator = torch.Generator().manual_seed(7)
    shapes = (1, tokens, width), (2 * hidden, width), (width, hidden)
    x, gate_weight, down_weight = (torch.randn(shape, generator=generator).cuda() for shape in shapes)
    arguments = [tensor.to(dtype) for tensor in (x, gate_weight * width**-0.5, down_weight * hidden**-0.5)]
    with torch.no_grad():
        found = SWIGLU_MLP["fused"](*arguments)
    expected = SWIGLU_MLP["reference"](*(tensor.float() for tensor in arguments))
    assert (found.float() - expected).norm() < 1e-2 * expected.norm()
