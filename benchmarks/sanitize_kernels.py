"""Every fused kernel once, forward and backward, at small and odd sizes, to be run under compute-sanitizer.

    compute-sanitizer --tool memcheck python benchmarks/sanitize_kernels.py
    compute-sanitizer --tool racecheck python benchmarks/sanitize_kernels.py

The mixer also with gates that forget everything, and with some that do, for which its scores take another way.
"""

import torch
from kernel_cases import OPERATIONS, Case

from dig_models.kernels.gla_mixer import GLA_MIXER
from dig_models.kernels.swiglu_mlp import fused as swiglu_mlp

SIZES = [(1, 1, 64), (3, 9, 128), (1, 17, 384)]
"""Images, tokens along a side of each, width."""

FORGETS_ALL = -320.0
"""A bias of the gate: log decays of -20 a token."""


def main() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    # The product with SwiGLU in its epilogue is for many tokens, else.
    swiglu_mlp.PROGRAMS = 1
    for op in OPERATIONS:
        for batch, side, width in SIZES:
            case = Case(op=op, batch=batch, side=side, width=width)
            for share in (0.0, 0.5, 1.0) if op is GLA_MIXER else (0.0,):
                step(case, share)
        torch.cuda.synchronize()
        print(op.name, flush=True)


def step(case: Case, share_that_forgets: float) -> None:
    leaves = case.noise()
    if share_that_forgets:
        bias = leaves["gate_bias"]
        with torch.no_grad():
            bias[: int(share_that_forgets * len(bias))] += FORGETS_ALL
    with torch.no_grad():
        outputs = case.op["fused"](*case.arguments(leaves))
    cotangents = list(map(torch.randn_like, outputs if isinstance(outputs, tuple) else (outputs,)))
    gradients = torch.autograd.grad(case.op["fused"](*case.arguments(leaves)), list(leaves.values()), cotangents)
    assert all(gradient.isfinite().all() for gradient in gradients), case


if __name__ == "__main__":
    main()
