"""Fused elementwise operations in Triton's interpreter, compared with plain PyTorch."""

import importlib
from collections.abc import Callable, Iterator
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
    many,
    poisoned_memory,
    results,
    rounded,
    use_one_kernel,
)

pytestmark = pytest.mark.skipif(not triton_interpreter.IS_ON, reason="needs Triton's interpreter: TRITON_INTERPRET=1")
every_operation = pytest.mark.parametrize("operation", OPERATIONS)
every_convolution = pytest.mark.parametrize("operation", ["residual_conv", "residual_conv_norm_modulate"])


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan() -> Iterator[None]:
    with poisoned_memory():
        yield


@pytest.fixture(autouse=True)
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uses few programs, which the interpreter runs one after another."""
    divide_into(6, monkeypatch)
    use_one_kernel(monkeypatch)


def check(
    operation: str, grid: Grid, width: int, batch: int = 1, order: int = 0, implementation: str | None = None
) -> None:
    tensors = leaves(operation, grid, width, batch)
    ours = results(operation, OPERATIONS[operation][implementation or many(operation)], tensors, grid, order)
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


@every_convolution
@pytest.mark.parametrize("order", list(ScanOrder))
@pytest.mark.parametrize("grid", [(3, 5), (2, 20)])
def test_every_scan_order(operation: str, order: ScanOrder, grid: Grid) -> None:
    check(operation, grid, 40, order=order)


@pytest.mark.parametrize("operation", ["norm_modulate", "gate_residual", "gate_residual_norm_modulate"])
@pytest.mark.parametrize("programs", [1, 5])
def test_any_division_of_tokens_into_runs(monkeypatch: pytest.MonkeyPatch, operation: str, programs: int) -> None:
    divide_into(programs, monkeypatch)
    check(operation, (7, 9), 320, batch=2)


@every_convolution
@pytest.mark.parametrize("programs", [1, 12])
def test_any_division_of_rows_into_runs(monkeypatch: pytest.MonkeyPatch, operation: str, programs: int) -> None:
    divide_into(programs, monkeypatch)
    check(operation, (7, 10), 72, batch=2, order=3)


@every_convolution
@pytest.mark.parametrize("change", [{"ABREAST": 1}, {"ABREAST": 2}, {"ABREAST": 4, "STAGES": 3}])
def test_any_number_of_adjacent_columns_per_thread(
    monkeypatch: pytest.MonkeyPatch, operation: str, change: dict[str, int]
) -> None:
    launches = importlib.import_module(OPERATIONS[operation].implementations["fused"].module).LAUNCH
    for name, value in change.items():
        monkeypatch.setitem(launches.get("forward") or launches["many"], name, value)
    check(operation, (3, 10), 72, order=1)


@every_operation
def test_bf16_results_are_rounded_once(operation: str) -> None:
    grid = (4, 5)
    tensors = {name: tensor.bfloat16() for name, tensor in leaves(operation, grid, 96, 2).items()}
    ours = results(operation, OPERATIONS[operation][many(operation)], tensors, grid)
    exact = {name: tensor.float() for name, tensor in tensors.items()}
    assert {tensor.dtype for tensor in ours.values()} == {torch.bfloat16}
    expected = results(operation, OPERATIONS[operation]["reference"], exact, grid)
    assert_close(ours, expected, 6e-3, rounded(operation, tensors, grid))


def test_wide_tokens_run_two_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(OPERATIONS["residual_conv_norm_modulate"].implementations["fused"].module)
    monkeypatch.setattr(module, "WIDEST", 39)
    monkeypatch.setattr(module, "_forward", None)
    check("residual_conv_norm_modulate", (3, 5), 40, batch=2, order=2)


@pytest.mark.parametrize(("grid", "width", "batch"), [((3, 5), 40, 2), ((7, 9), 500, 1)])
def test_few_tokens_run_the_same_kernel_in_one_walk(
    monkeypatch: pytest.MonkeyPatch, grid: Grid, width: int, batch: int
) -> None:
    module = importlib.import_module(OPERATIONS["residual_conv_norm_modulate"].implementations["fused"].module)
    monkeypatch.delitem(module.LAUNCH, "many")
    check("residual_conv_norm_modulate", grid, width, batch, order=2, implementation="fused:few")


def test_one_of_two_outputs_may_be_unused() -> None:
    def first(*arguments: object) -> object:
        return OPERATIONS["gate_residual_norm_modulate"]["fused"](*arguments)[0]

    tensors = leaves("gate_residual_norm_modulate", (2, 3), 32, 2)
    ours = results("gate_residual_norm_modulate", first, tensors, (2, 3))
    assert torch.equal(ours["x"], cotangent_of(ours["0"]))


@pytest.mark.parametrize("used", [0, 1])
def test_either_output_of_the_convolution_with_the_norm_may_be_unused(used: int) -> None:
    def one_of(implementation: str) -> Callable[..., Any]:
        return lambda *arguments: OPERATIONS["residual_conv_norm_modulate"][implementation](*arguments)[used]

    tensors = leaves("residual_conv_norm_modulate", (2, 3), 32, 2)
    ours, expected = (
        results("residual_conv_norm_modulate", one_of(each), tensors, (2, 3)) for each in ("fused:many", "reference")
    )
    assert_close(ours, expected, 1e-4)


def test_tokens_far_from_zero_are_normed_accurately() -> None:
    tensors = leaves("residual_conv_norm_modulate", (2, 3), 320, 1)
    tensors["bias"] += 1000.0
    ours, expected = (
        results("residual_conv_norm_modulate", OPERATIONS["residual_conv_norm_modulate"][each], tensors, (2, 3))
        for each in ("fused:many", "reference")
    )
    assert_close({"n": ours["1"]}, {"n": expected["1"]}, 1e-4)


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "swiglu_mlp"])
def test_operators_are_well_formed(operation: str) -> None:
    """Checks schema, fake tensors and autograd registration, on which torch.compile relies."""
    assert OPERATIONS[operation][many(operation)]
    tensors = {name: tensor.requires_grad_() for name, tensor in leaves(operation, (2, 3), 32, 2).items()}
    named: dict[str, Any] = {**tensors, "rows": 2, "columns": 3, "order": 2, "variant": "many"}
    if "modulation" in tensors:
        named["shift"], named["scale"], named["gate"] = tensors["modulation"].chunk(6, dim=1)[1:4]
    operator = getattr(torch.ops.dig_models, operation).default
    torch.library.opcheck(operator, [named[argument.name] for argument in operator._schema.arguments])


@every_convolution
def test_flops_of_the_convolution_are_counted(operation: str) -> None:
    tensors = leaves(operation, (3, 4), 32, 2)
    with FlopCounterMode(display=False) as counter:
        results(operation, OPERATIONS[operation][many(operation)], tensors, (3, 4))
    assert counter.get_total_flops() == 3 * 2 * 9 * 2 * 12 * 32


@every_convolution
def test_a_grid_with_another_number_of_tokens_is_refused(operation: str) -> None:
    tensors = leaves(operation, (3, 4), 32, 1)
    with pytest.raises(ValueError, match="not a grid of 4 x 4"):
        results(operation, OPERATIONS[operation][many(operation)], tensors, (4, 4))
