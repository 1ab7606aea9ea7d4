"""Measures every fused operation against its floor on this GPU: forward, and forward with backward. Needs a CUDA GPU.

    python benchmarks/kernels/operations.py                              DiG-XL/2 at 2048 px, DiG-S/2 at 1792 px and at
                                                                         256 px with 64 images
    python benchmarks/kernels/operations.py --only swiglu_mlp            one operation
    python benchmarks/kernels/operations.py --only gla_mixer --variants  and other launch settings, one at a time

bf16, medians of replayed CUDA graphs, over as many sets of inputs as exceed the L2 cache. The floor is the larger of
two times: the bytes that the operation has to read and write at the bandwidth of a device copy, and its FLOPs at the
rate of a large GEMM. `dig-bench roofline` measures both rates. `--output FILE` writes all values.
"""

import argparse
import importlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from cases import OPERATIONS, SIZES, Case
from variants import VARIANTS

from dig_bench.machine import environment, roofline
from dig_bench.measure.roofline import Roofline

L2_BYTES = 50e6


@dataclass(frozen=True, kw_only=True)
class Times:
    """Times of one operation at one size, in ms."""

    operation: str
    batch: int
    tokens: int
    width: int
    forward_ms: float
    forward_floor_ms: float
    training_ms: float
    training_floor_ms: float
    reference_forward_ms: float | None
    reference_training_ms: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[op.name for op in OPERATIONS], help="repeatable")
    parser.add_argument("--variants", action="store_true", help="also time other launch settings")
    parser.add_argument("--output", type=Path, help="write all values to this file")
    options = parser.parse_args()

    machine = roofline.load_or_measure("cuda", say=print)
    bandwidth_tb_per_s, tflops = machine.bandwidth_gb_per_s / 1e3, machine.peak_tflops("bf16")
    print(f"{torch.cuda.get_device_name()}: copy {bandwidth_tb_per_s:.2f} TB/s, GEMM {tflops:.0f} TFLOP/s")
    ops = [op for op in OPERATIONS if options.only is None or op.name in options.only]
    start = time.perf_counter()
    for op in ops:
        case = Case(op=op, batch=1, side=8, width=384)
        for variant in op.variants("fused"):
            case.step(case.noise(), variant)
    torch.cuda.synchronize()
    print(f"first calls, compilation included: {time.perf_counter() - start:.1f} s\n")
    print(f"{'ms':47}   forward    floor   share  PyTorch  |  training    floor   share  PyTorch")
    found = [timed(case, machine) for op in ops for case in cases(op)]
    if options.output is not None:
        kept = {
            "environment": environment.describe("cuda"),
            "roofline": machine.as_dict(),
            "operations": list(map(asdict, found)),
        }
        options.output.write_text(json.dumps(kept, indent=1) + "\n")
    if options.variants:
        for op in ops:
            print_variants(op)


def cases(op: Any) -> list[Case]:
    return [Case(op=op, batch=batch, side=side, width=width) for batch, side, width in SIZES]


def timed(case: Case, machine: Roofline) -> Times:
    """Measures the operation and prints its row."""
    forward_ms, training_ms = measure(case, "fused")
    reference_forward_ms, reference_training_ms = measure(case, "reference") if case.has_comparison else (None, None)
    forward, backward = case.channels()

    def floor_ms(channels: int, flops: int) -> float:
        return machine.floor_ms(flops, 2 * case.tokens * channels, "bf16")

    row = Times(
        operation=case.op.name,
        batch=case.batch,
        tokens=case.side**2,
        width=case.width,
        forward_ms=forward_ms,
        forward_floor_ms=floor_ms(forward, case.flops()),
        training_ms=training_ms,
        training_floor_ms=floor_ms(forward + backward, 3 * case.flops()),
        reference_forward_ms=reference_forward_ms,
        reference_training_ms=reference_training_ms,
    )
    halves = (
        f"{ms:9.4f} {floor:8.4f} {floor / ms:6.0%} {'-' if other is None else f'{other:.4f}':>8}"
        for ms, floor, other in (
            (row.forward_ms, row.forward_floor_ms, row.reference_forward_ms),
            (row.training_ms, row.training_floor_ms, row.reference_training_ms),
        )
    )
    name = f"{row.operation:28} {row.batch:3} x {row.tokens:6} x {row.width:4}"
    print(name + "  |".join(halves), flush=True)
    return row


def measure(case: Case, implementation: str) -> tuple[float, float]:
    """Returns the ms of a forward pass, and of forward and backward."""
    function = case.op[implementation]
    set_bytes = 2 * sum(torch.Size(shape).numel() for shape in case.shapes().values())
    sets = [case.noise() for _ in range(max(1, round(4 * L2_BYTES / set_bytes)))]
    with torch.no_grad():
        outputs = function(*case.arguments(sets[0]))
    cotangents = [torch.randn_like(output) for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

    def forward() -> None:
        with torch.no_grad():
            for leaves in sets:
                function(*case.arguments(leaves))

    def training() -> None:
        for leaves in sets:
            torch.autograd.grad(function(*case.arguments(leaves)), list(leaves.values()), cotangents)

    return graph_ms(forward) / len(sets), graph_ms(training) / len(sets)


def graph_ms(function: Callable[[], object]) -> float:
    function()
    torch.cuda.synchronize()
    milliseconds: float = triton.testing.do_bench_cudagraph(function, rep=30, return_mode="median")
    return milliseconds


def print_variants(op: Any) -> None:
    """Times every variant of launch settings at all sizes."""
    module = importlib.import_module(op.implementations["fused"].module)
    print(f"\n{op.name}: forward / training ms at " + ", ".join(f"{b} x {s * s} x {w}" for b, s, w in SIZES))
    for change in [{}, *VARIANTS.get(op.name, [])]:
        with changed(module, change):
            try:
                times = [measure(case, "fused") for case in cases(op)]
            except triton.runtime.errors.OutOfResources as error:
                print(f"{change}: {error}")
                continue
        print("   ".join(f"{f:.4f} / {t:.4f}" for f, t in times), change or "default", flush=True)


@contextmanager
def changed(module: Any, change: dict[str, Any]) -> Iterator[None]:
    """Replaces constants of the module while the block runs. Dictionaries are merged, at any depth."""
    before = {name: getattr(module, name) for name in change}
    for name, value in change.items():
        setattr(module, name, merged(before[name], value))
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def merged(old: Any, new: Any) -> Any:
    return old | {key: merged(old.get(key), value) for key, value in new.items()} if isinstance(new, dict) else new


if __name__ == "__main__":
    main()
