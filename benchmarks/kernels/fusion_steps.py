"""Measures what each fusion gains: DiG with one more fused operation at a time, starting from fla's recurrence.

    python benchmarks/kernels/fusion_steps.py --output results/h100-80gb-hbm3/fusion-steps.csv

Times replayed CUDA graphs in bf16, as sweeps do. A step adds its operations to those of the steps before it.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch

from dig_bench.cell import Mode
from dig_bench.measure import latency, memory
from dig_bench.measure.latency import Sampling, WarmUp
from dig_bench.measure.statistics import summarise
from dig_bench.measure.timer import timer_for
from dig_bench.run import parameters
from dig_bench.run.capture import capture
from dig_bench.run.step import Inputs, forward_step, training_step
from dig_models import DiG, build
from dig_models.dig import AROUND_THE_MIXER

STEPS: Mapping[str, tuple[str, ...]] = {
    "fla's recurrence": (),
    "the mixer between its projections": ("gla_mixer",),
    "SwiGLU": ("swiglu_mlp",),
    "norms, modulation, gates, residuals": ("norm_modulate", "gate_residual_norm_modulate"),
    "gate, residual and convolution": ("residual_conv",),
    "patches, adaLN of all blocks": ("patch_embed", "adaln_modulation"),
    "the next block's norm with the convolution": ("residual_conv_norm_modulate",),
}
UNFUSED = {
    "gated_linear_attention": "fla",
    "gated_norm": "reference",
    **{op.name: "reference" for op in AROUND_THE_MIXER},
}


@dataclass(frozen=True, kw_only=True)
class Case:
    model: str
    resolution_px: int
    mode: Mode
    batch_size: int


CASES = (
    Case(model="DiG-XL/2", resolution_px=2048, mode="forward", batch_size=1),
    Case(model="DiG-S/2", resolution_px=1792, mode="train", batch_size=1),
    Case(model="DiG-S/2", resolution_px=256, mode="forward", batch_size=64),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for case in CASES:
        before = None
        for name, backend in backends().items():
            DiG.backends["step"] = backend
            latency_ms, low, high, peaks_mib = measure(case)
            gain = None if before is None else before - latency_ms
            before = latency_ms
            figures = {"latency_ms": latency_ms, "ci_low": low, "ci_high": high, "gain_ms": gain, **peaks_mib}
            rows.append({**asdict(case), "step": name, **figures})
            print(*(f"{value:.4g}" if isinstance(value, float) else value for value in rows[-1].values()), flush=True)
            pd.DataFrame(rows).to_csv(options.output, index=False, float_format="%.5g")


def backends() -> dict[str, dict[str, str]]:
    """Returns the backend of each step."""
    found, backend = {}, dict(UNFUSED)
    fused = DiG.backends["fused"]
    for name, operations in STEPS.items():
        if "gla_mixer" in operations:
            del backend["gated_linear_attention"]
        backend |= {operation: fused[operation] for operation in operations}
        found[name] = dict(backend)
    return found


def measure(case: Case) -> tuple[float, float | None, float | None, dict[str, float]]:
    """Returns the median ms of a replay, its 95 % interval, and the peak MiB of an eager step.

    The peaks are those of the passes without the optimizer, and of the whole step.

    The optimizer has no state yet in the latter.
    """
    torch.manual_seed(parameters.SEED)
    model = build(case.model, image_size=case.resolution_px, backend="step", precision="bf16", device="cuda")
    parameters.move(model, 0.04)
    inputs = Inputs.random(model, case.batch_size)
    step = training_step(model, model, inputs) if case.mode == "train" else forward_step(model, inputs)
    passes = [part for name, part in step.parts.items() if name != "optimizer"]

    def all_passes() -> None:
        for part in passes:
            part()

    peaks_mib = {}
    for name, call in (("peak_of_passes_mib", all_passes), ("peak_mib", step)):
        for _ in range(2):
            call()
            model.zero_grad(set_to_none=True)
        peaks_mib[name] = memory.peak(call, "cuda").allocated_mib
        model.zero_grad(set_to_none=True)
    parts = list(capture(step).parts.values())
    timed = latency.measure(
        parts,
        timer_for("cuda", flush_l2=True),
        warm_up=WarmUp(max_seconds=5.0),
        sampling=Sampling(min_samples=12, max_samples=300, min_seconds=0.3, max_seconds=1.0, target_half_width=0.01),
    )
    found = summarise(timed.times.total_ms)
    return found.median, found.ci_low, found.ci_high, peaks_mib


if __name__ == "__main__":
    main()
