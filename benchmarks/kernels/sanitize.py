"""Runs every fused kernel for compute-sanitizer: forward and backward, bf16 and fp32, small and odd sizes.

    compute-sanitizer --tool memcheck python benchmarks/kernels/sanitize.py
    compute-sanitizer --tool racecheck python benchmarks/kernels/sanitize.py

Runs the mixer also with gates of which half or all forget everything, for its second way to compute scores.
"""

import torch
from cases import OPERATIONS, Case

from dig_models.kernels.gla_mixer import GLA_MIXER

SIZES = [(1, 1, 64), (3, 9, 128), (1, 17, 576)]
"""Images, tokens along a side, width."""

FORGETS_ALL = -320.0
"""Bias of the gate for log decays of -20 per token."""


def main() -> None:
    for op in OPERATIONS:
        for dtype in (torch.bfloat16, torch.float32):
            for batch, side, width in SIZES:
                case = Case(op=op, batch=batch, side=side, width=width)
                for share in (0.0, 0.5, 1.0) if op is GLA_MIXER else (0.0,):
                    step(case, dtype, share)
            torch.cuda.synchronize()
            print(op.name, dtype, flush=True)


def step(case: Case, dtype: torch.dtype, share_that_forgets: float) -> None:
    leaves = case.noise(dtype)
    if share_that_forgets:
        bias = leaves["gate_bias"]
        with torch.no_grad():
            bias[: int(share_that_forgets * len(bias))] += FORGETS_ALL
    for variant in case.op.variants("fused"):
        gradients = case.step(leaves, variant)
        assert all(gradient.isfinite().all() for gradient in gradients), case


if __name__ == "__main__":
    main()
