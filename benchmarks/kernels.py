"""Every fused operation's time beside its floor on this GPU: forward, and forward with backward. Needs a CUDA GPU.

    python benchmarks/kernels.py                            DiG-XL/2 at 2048 px, DiG-S/2 at 1792 px, 64 images at 256 px
    python benchmarks/kernels.py --only swiglu_mlp          one operation
    python benchmarks/kernels.py --only gla_mixer --variants    and other launch choices, one at a time

bf16, replayed CUDA graphs over as many sets of inputs as the L2 cache cannot hold, medians. The floor is the larger of
two: what the operation has to read and write, at the rate of a device copy, and its FLOPs at the rate of a large matrix
product, both as `dig-bench roofs` measures them. `--json FILE` keeps all figures.
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
from kernel_cases import OPERATIONS, SIZES, Case
from kernel_variants import VARIANTS

from dig_bench.machine import environment, roofline
from dig_models.kernels import many_tokens

L2_BYTES = 50e6


@dataclass(frozen=True, kw_only=True)
class Figures:
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
    parser.add_argument("--variants", action="store_true", help="time other launch choices, too")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()

    machine = roofline.here("cuda", say=print)
    copy_bytes_per_s, flops_per_s = 1e9 * machine.copy_gb_per_s, 1e12 * machine.matrix_tflops("bf16")
    print(f"{torch.cuda.get_device_name()}: copy {copy_bytes_per_s / 1e12:.2f} TB/s, {flops_per_s / 1e12:.0f} TFLOP/s")
    ops = [op for op in OPERATIONS if options.only is None or op.name in options.only]
    start = time.perf_counter()
    for op in ops:
        case = Case(op=op, batch=1, side=8, width=384)
        case.step(case.noise())
        with many_tokens.assumed():
            case.step(case.noise())
    torch.cuda.synchronize()
    print(f"first calls, compilation included: {time.perf_counter() - start:.1f} s\n")
    print(f"{'ms':47}   forward    floor   share  PyTorch  |  training    floor   share  PyTorch")
    found = [figures(case, copy_bytes_per_s, flops_per_s) for op in ops for case in cases(op)]
    if options.json is not None:
        kept = {
            "environment": environment.describe("cuda"),
            "roofs": machine.as_dict(),
            "figures": list(map(asdict, found)),
        }
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    if options.variants:
        for op in ops:
            print_variants(op)


def cases(op: Any) -> list[Case]:
    return [Case(op=op, batch=batch, side=side, width=width) for batch, side, width in SIZES]


def figures(case: Case, copy_bytes_per_s: float, flops_per_s: float) -> Figures:
    """Measured and printed."""
    forward_ms, training_ms = measure(case, "fused")
    reference_forward_ms, reference_training_ms = measure(case, "reference") if case.has_comparison else (None, None)
    forward, backward = case.channels()

    def floor_ms(channels: int, flops: int) -> float:
        return 1e3 * max(2 * case.tokens * channels / copy_bytes_per_s, flops / flops_per_s)

    row = Figures(
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
    """Forward, and forward with backward, in ms."""
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
    """What one choice changes, at all sizes."""
    module = importlib.import_module(op.implementations["fused"].module)
    print(f"\n{op.name}: forward / training ms at " + ", ".join(f"{b} x {s * s} x {w}" for b, s, w in SIZES))
    for change in [{}, *VARIANTS.get(op.name, [])]:
        with changed(module, change):
            try:
                times = [measure(case, "fused") for case in cases(op)]
            except triton.runtime.errors.OutOfResources as error:
                print(f"{change}: {error}")
                continue
        print("   ".join(f"{f:.4f} / {t:.4f}" for f, t in times), change or "as chosen", flush=True)


@contextmanager
def changed(module: Any, change: dict[str, Any]) -> Iterator[None]:
    """Constants of the module replaced; of dictionaries the entries that are named, however deep."""
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
