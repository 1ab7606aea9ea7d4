"""Time of the fused gated linear attention mixer beside the time its bytes take. Needs a CUDA GPU.

    python benchmarks/gla_fused.py [--variants]

The floor counts each input read once and each output written once, at the copy rate of an H100. `--variants` times
other launch choices than those of dig_models.kernels.gla_mixer.fused, one at a time.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import triton
from torch import Tensor

from dig_models.kernels.gla_mixer import GATE_RANK, KEY_CHANNELS, VALUE_CHANNELS, fused

gla_mixer: Callable[..., Tensor] = fused.gla_mixer
COPY_BYTES_PER_S = 3.0e12
SIDES_AND_HEADS = [(side, heads) for heads in (6, 18) for side in (32, 64, 112, 128)]
VARIANTS: list[tuple[int | None, dict[str, dict[str, Any]]]] = [
    (None, {}),
    (264, {}),
    (264, {"outputs": {"maxnreg": None}}),
    (528, {"segment_states": {"maxnreg": 128}, "outputs": {"maxnreg": 128, "STAGES": 2}}),
    (792, {}),
    (None, {"segment_states": {"STAGES": 2}}),
    (None, {"segment_states": {"STAGES": 4}}),
    (None, {"outputs": {"STAGES": 2}}),
    (None, {"outputs": {"num_warps": 8, "maxnreg": None}}),
    (None, {"output_gradients": {"maxnreg": 168}}),
    (None, {"output_gradients": {"STAGES": 1}}),
    (None, {"output_gradients": {"STAGES": 3}}),
    (None, {"input_gradients": {"maxnreg": 168}}),
    (None, {"input_gradients": {"STAGES": 1}}),
    (None, {"input_gradients": {"STAGES": 3}}),
]
"""PROGRAMS, and changes of LAUNCH."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", action="store_true", help="time other launch choices")
    variants = parser.parse_args().variants

    start = time.perf_counter()
    measure(32, 6)
    print(f"first call of all kernels, compilation included: {time.perf_counter() - start:.1f} s")
    print(f"{'tokens':>7} {'heads':>5}  {'forward ms':>10} {'floor':>7}  {'forward + backward ms':>21} {'floor':>7}")
    for side, heads in SIDES_AND_HEADS:
        (forward_ms, training_ms), (forward_floor_ms, training_floor_ms) = measure(side, heads), floors_ms(side, heads)
        print(
            f"{side * side:7} {heads:5}  {forward_ms:10.4f} {forward_floor_ms:7.4f}"
            f"  {training_ms:21.4f} {training_floor_ms:7.4f}",
            flush=True,
        )
    if variants:
        print_variants()


def print_variants() -> None:
    """What a forward pass and a training step take at the smallest and the largest size."""
    print("\nforward / forward + backward ms at 1,024 tokens of 6 heads, at 16,384 of 18")
    chosen_programs, chosen_launch = fused.PROGRAMS, fused.LAUNCH
    for programs, changes in VARIANTS:
        fused.PROGRAMS = programs or chosen_programs
        fused.LAUNCH = {kernel: launch | changes.get(kernel, {}) for kernel, launch in chosen_launch.items()}
        times = (measure(side, heads) for side, heads in ((32, 6), (128, 18)))
        columns = "   ".join(f"{forward:.4f} / {training:.4f}" for forward, training in times)
        print(f"{columns}   PROGRAMS {fused.PROGRAMS} {changes or ''}", flush=True)


def measure(side: int, heads: int) -> tuple[float, float]:
    """Forward, and forward with backward, in ms: median of replayed CUDA graphs, bf16, batch 1, scanned by columns."""
    keys, values = heads * KEY_CHANNELS, heads * VALUE_CHANNELS
    generator = torch.Generator("cuda").manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device="cuda").bfloat16()

    arguments = [
        noise(1, side * side, 2 * keys + 2 * values + GATE_RANK),
        0.2 * noise(keys, GATE_RANK),
        noise(keys),
        noise(VALUE_CHANNELS),
    ]
    cotangent = noise(1, side * side, values)

    def forward() -> Tensor:
        with torch.no_grad():
            return gla_mixer(*arguments, (side, side), 2)

    def training() -> tuple[Tensor, ...]:
        for argument in arguments:
            argument.requires_grad_()
        return torch.autograd.grad(gla_mixer(*arguments, (side, side), 2), arguments, cotangent)

    return graph_ms(forward), graph_ms(training)


def graph_ms(function: Callable[[], object]) -> float:
    function()
    torch.cuda.synchronize()
    milliseconds: float = triton.testing.do_bench_cudagraph(function, rep=20, return_mode="median")
    return milliseconds


def floors_ms(side: int, heads: int) -> tuple[float, float]:
    """Bytes over the copy rate: forward, and forward with backward, which reads all inputs and dy and writes all dx."""
    values = heads * VALUE_CHANNELS
    projected = heads * 2 * (KEY_CHANNELS + VALUE_CHANNELS) + GATE_RANK
    forward = 2 * side * side * (projected + values)
    backward = 2 * side * side * (2 * projected + values)
    return 1e3 * forward / COPY_BYTES_PER_S, 1e3 * (forward + backward) / COPY_BYTES_PER_S


if __name__ == "__main__":
    main()
