"""Time of the fused elementwise operations beside that of their bytes, and of plain PyTorch. Needs a CUDA GPU.

    python benchmarks/elementwise_fused.py [--variants]

bf16, one image, the sizes of DiG-XL/2 at 2048 px and DiG-S/2 at 1792 px. Replayed CUDA graphs over as many sets of
inputs as the L2 cache cannot hold. The floor counts each input read once and each output written once, at the copy
rate of an H100. `--variants` times other launch choices than those of the operations' modules, one at a time.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import triton
from torch import Tensor

from dig_models.kernels.gate_residual import GATE_RESIDUAL
from dig_models.kernels.gate_residual_norm_modulate import GATE_RESIDUAL_NORM_MODULATE
from dig_models.kernels.norm_modulate import NORM_MODULATE
from dig_models.kernels.op import KernelOp
from dig_models.kernels.residual_conv import RESIDUAL_CONV
from dig_models.kernels.swiglu import SWIGLU
from dig_models.layers.mlp import swiglu_hidden

COPY_BYTES_PER_S = 3.03e12
L2_BYTES = 50e6
SIDES_AND_WIDTHS = [(128, 1152), (112, 384)]

OPERATIONS = (NORM_MODULATE, GATE_RESIDUAL, GATE_RESIDUAL_NORM_MODULATE, SWIGLU, RESIDUAL_CONV)
PASSES = {
    "norm_modulate": (2, 3),
    "gate_residual": (3, 3),
    "gate_residual_norm_modulate": (4, 6),
    "swiglu": (3, 5),
    "residual_conv": (3, 5),
}
"""Tensors of the size of x, of the hidden channels for swiglu, that forward and backward read or write."""

ROW_VARIANTS: dict[str, list[dict[str, int]]] = {
    "forward": [
        {"STAGES": 1, "programs": 1056},
        {"STAGES": 2},
        {"STAGES": 4},
        {"num_warps": 4, "programs": 1056},
        {"tile": 2048},
        {"tile": 8192},
        {"programs": 264},
        {"programs": 1056},
        {"programs": 4224},
    ],
    "backward": [
        {"STAGES": 1},
        {"STAGES": 2},
        {"STAGES": 4},
        {"num_warps": 4},
        {"tile": 4096},
        {"maxnreg": 80, "programs": 396},
        {"programs": 264},
        {"programs": 528},
        {"programs": 1056},
    ],
}
CONV_VARIANTS: dict[str, list[dict[str, int]]] = {
    "forward": [
        {"STAGES": 1},
        {"STAGES": 2},
        {"STAGES": 4},
        {"COLUMNS": 16},
        {"COLUMNS": 16, "STAGES": 1},
        {"COLUMNS": 16, "num_warps": 8},
        {"programs": 660},
        {"programs": 2640},
    ],
    "backward": [
        {"STAGES": 1},
        {"STAGES": 3},
        {"COLUMNS": 4},
        {"COLUMNS": 16, "num_warps": 8},
        {"maxnreg": 128},
        {"programs": 594},
        {"programs": 2376},
    ],
}
SWIGLU_VARIANTS = [{"TOKENS": 4}, {"TOKENS": 16}, {"num_warps": 8}, {"CHANNELS": 512, "TOKENS": 4}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", action="store_true", help="time other launch choices")
    variants = parser.parse_args().variants

    start = time.perf_counter()
    for op in OPERATIONS:
        measure(op, "fused", 8, 384)
    print(f"first call of all kernels, compilation included: {time.perf_counter() - start:.1f} s")
    print(f"{'':45} forward ms: fused, floor, PyTorch    forward + backward ms: fused, floor, PyTorch")
    for side, width in SIDES_AND_WIDTHS:
        for op in OPERATIONS:
            columns = zip(
                measure(op, "fused", side, width),
                floors_ms(op.name, side, width),
                measure(op, "reference", side, width),
                strict=True,
            )
            figures = " ".join("".join(f"{ms:10.4f}" for ms in column) + " " * 8 for column in columns)
            print(f"{op.name:28} {side * side:6} x {width:5}    {figures}", flush=True)
    if variants:
        print_variants()


def print_variants() -> None:
    """What one choice changes, at both sizes."""
    print("\nforward / forward + backward ms at " + ", ".join(f"{s * s} x {w}" for s, w in SIDES_AND_WIDTHS))
    for op in OPERATIONS:
        module = importlib.import_module(op.implementations["fused"].module)
        report(op, "as chosen")
        if op is SWIGLU:
            for change in SWIGLU_VARIANTS:
                with replaced(module.LAUNCH, module.LAUNCH | change):
                    report(op, str(change))
            continue
        for direction, changes in (CONV_VARIANTS if op is RESIDUAL_CONV else ROW_VARIANTS).items():
            for change in changes:
                with replaced(module.LAUNCH, module.LAUNCH | {direction: module.LAUNCH[direction] | change}):
                    report(op, f"{direction} {change}")


def report(op: KernelOp, choice: str) -> None:
    times = (measure(op, "fused", side, width) for side, width in SIDES_AND_WIDTHS)
    print(f"{op.name:28} {choice:45}", "   ".join(f"{f:.4f} / {t:.4f}" for f, t in times), flush=True)


@contextmanager
def replaced(values: dict[str, Any], others: dict[str, Any]) -> Iterator[None]:
    before = {name: values[name] for name in others}
    values.update(others)
    yield
    values.update(before)


def measure(op: KernelOp, implementation: str, side: int, width: int) -> tuple[float, float]:
    """Forward, and forward with backward, in milliseconds: medians, of a scan by columns."""
    function = op[implementation]
    set_bytes = 2 * side * side * width * PASSES[op.name][0]
    sets = [inputs(op.name, side, width) for _ in range(max(1, round(4 * L2_BYTES / set_bytes)))]
    channels = swiglu_hidden(width) if op is SWIGLU else width
    cotangent = torch.randn(1, side * side, channels, device="cuda").bfloat16()

    def forward() -> None:
        with torch.no_grad():
            for leaves in sets:
                function(*arguments(op.name, leaves, side))

    def training() -> None:
        for leaves in sets:
            outputs = function(*arguments(op.name, leaves, side))
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            torch.autograd.grad(outputs, list(leaves.values()), [cotangent] * len(outputs))

    return graph_ms(forward) / len(sets), graph_ms(training) / len(sets)


def inputs(operation: str, side: int, width: int) -> dict[str, Tensor]:
    """The tensors whose gradients are taken."""
    shapes: dict[str, tuple[int, ...]] = {"x": (1, side * side, width), "modulation": (1, 6 * width)}
    if operation == "swiglu":
        shapes = {"h": (1, side * side, 2 * swiglu_hidden(width))}
    elif operation != "norm_modulate":
        shapes["y"] = shapes["x"]
    if operation == "residual_conv":
        shapes |= {"weight": (width, 1, 3, 3), "bias": (width,)}
    return {name: torch.randn(*shape, device="cuda").bfloat16().requires_grad_() for name, shape in shapes.items()}


def arguments(operation: str, leaves: dict[str, Tensor], side: int) -> tuple[Any, ...]:
    """As the operation takes them; shift, scale and gate are views, as a block's are."""
    if operation == "swiglu":
        return (leaves["h"],)
    shift, scale, gate = leaves["modulation"].chunk(6, dim=1)[:3]
    if operation == "norm_modulate":
        return leaves["x"], shift, scale
    gated = leaves["x"], gate, leaves["y"]
    if operation == "gate_residual_norm_modulate":
        return *gated, shift, scale
    return (*gated, leaves["weight"], leaves["bias"], (side, side), 2) if operation == "residual_conv" else gated


def graph_ms(function: Callable[[], object]) -> float:
    function()
    torch.cuda.synchronize()
    milliseconds: float = triton.testing.do_bench_cudagraph(function, rep=50, return_mode="median")
    return milliseconds


def floors_ms(operation: str, side: int, width: int) -> tuple[float, float]:
    """Bytes over the copy rate: forward, and forward with backward."""
    channels = swiglu_hidden(width) if operation == "swiglu" else width
    pass_ms = 1e3 * 2 * side * side * channels / COPY_BYTES_PER_S
    forward, backward = PASSES[operation]
    return forward * pass_ms, (forward + backward) * pass_ms


if __name__ == "__main__":
    main()
