"""The fused elementwise operations in Triton's interpreter, against plain PyTorch."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("triton", reason="needs Triton")
import triton_interpreter
from dig_models.layers.scan_order import ScanOrder
from elementwise_cases import (
    OPERATIONS,
    Grid,
    assert_close,
    cotangent_of,
    divide_into,
    leaves,
    poisoned_memory,
    results,
)

pytestmark = pytest.mark.skipif(not triton_interpreter.IS_ON, reason="needs Triton's interpreter: TRITON_INTERPRET=1")
every_operation = pytest.mark.parametrize("operation", OPERATIONS)


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan() -> Iterator[None]:
    with poisoned_memory():
        yield


@pytest.fixture(autouse=True)
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter takes them one after the other."""
    divide_into(6, monkeypatch)


def check(operation: str, grid: Grid, width: int, batch: int = 1, order: int = 0) -> None:
    tensors = leaves(operation, grid, width, batch)
    ours = results(operation, OPERATIONS[operation]["fused"], tensors, grid, order)
    assert_close(ours, results(operation, OPERATIONS[operation]["reference"], tensors, grid, order), 1e-4)


@every_operation
@pytest.mark.parametrize(
    ("grid", "width", "batch"), [((1, 1), 64, 1), ((3, 3), 96, 3), ((10, 10), 40, 1), ((7, 9), 36, 3)]
)
def test_fused_equals_reference(operation: str, grid: Grid, width: int, batch: int) -> None:
    check(operation, grid, width, batch)


@every_operation
def test_the_width_of_xl(operation: str) -> None:
    check(operation, (1, 3), 1152)


@pytest.mark.parametrize("order", list(ScanOrder))
@pytest.mark.parametrize("grid", [(3, 5), (2, 20)])
def test_every_scan_order(order: ScanOrder, grid: Grid) -> None:
    check("residual_conv", grid, 40, order=order)


@pytest.mark.parametrize("operation", ["norm_modulate", "gate_residual", "gate_residual_norm_modulate"])
@pytest.mark.parametrize("programs", [1, 5])
def test_any_division_of_tokens_into_runs(monkeypatch: pytest.MonkeyPatch, operation: str, programs: int) -> None:
    divide_into(programs, monkeypatch)
    check(operation, (7, 9), 320, batch=2)


@pytest.mark.parametrize("programs", [1, 12])
def test_any_division_of_rows_into_runs(monkeypatch: pytest.MonkeyPatch, programs: int) -> None:
    divide_into(programs, monkeypatch)
    check("residual_conv", (7, 10), 72, batch=2, order=3)


@every_operation
def test_bf16_is_rounded_at_the_end_only(operation: str) -> None:
    grid = (4, 5)
    tensors = {name: tensor.bfloat16() for name, tensor in leaves(operation, grid, 96, 2).items()}
    ours = results(operation, OPERATIONS[operation]["fused"], tensors, grid)
    exact = {name: tensor.float() for name, tensor in tensors.items()}
    assert {tensor.dtype for tensor in ours.values()} == {torch.bfloat16}
    assert_close(ours, results(operation, OPERATIONS[operation]["reference"], exact, grid), 6e-3)


def test_one_of_two_outputs_may_go_unused() -> None:
    def first(*arguments: object) -> object:
        return OPERATIONS["gate_residual_norm_modulate"]["fused"](*arguments)[0]

    tensors = leaves("gate_residual_norm_modulate", (2, 3), 32, 2)
    ours = results("gate_residual_norm_modulate", first, tensors, (2, 3))
    assert torch.equal(ours["x"], cotangent_of(ours["0"]))


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "swiglu_mlp"])
def test_operators_are_well_formed(operation: str) -> None:
    """Schema, fake tensors, autograd registration: what torch.compile relies on."""
    assert OPERATIONS[operation]["fused"]
    tensors = {name: tensor.requires_grad_() for name, tensor in leaves(operation, (2, 3), 32, 2).items()}
    named: dict[str, Any] = {**tensors, "rows": 2, "columns": 3, "order": 2}
    if "modulation" in tensors:
        named["shift"], named["scale"], named["gate"] = tensors["modulation"].chunk(6, dim=1)[1:4]
    operator = getattr(torch.ops.dig_models, operation).default
    torch.library.opcheck(operator, [named[argument.name] for argument in operator._schema.arguments])


def test_flops_of_the_convolution_are_counted() -> None:
    tensors = leaves("residual_conv", (3, 4), 32, 2)
    with FlopCounterMode(display=False) as counter:
        results("residual_conv", OPERATIONS["residual_conv"]["fused"], tensors, (3, 4))
    assert counter.get_total_flops() == 3 * 2 * 9 * 2 * 12 * 32


def test_a_grid_of_other_tokens_is_refused() -> None:
    tensors = leaves("residual_conv", (3, 4), 32, 1)
    with pytest.raises(ValueError, match="no grid of 4 x 4"):
        results("residual_conv", OPERATIONS["residual_conv"]["fused"], tensors, (4, 4))
