"""Measures how much rounding to bf16 alone changes the results of each fused operation.

    python benchmarks/kernels/bf16_rounding.py --output results/amd-epyc/bf16-rounding.csv

Runs the reference in fp32 and reports norms of differences over norms, the largest of an operation's outputs and of its
gradients. `inputs` compares inputs rounded to bf16 with exact ones. `results` compares results rounded to bf16 with
exact ones, both from rounded inputs. The tests allow kernels in bf16 an error of 1e-2 relative to the reference with
rounded inputs. So the error of `inputs` adds to this tolerance, and that of `results` is part of it.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from cases import OPERATIONS, Case
from torch import Tensor

PARTS = ("outputs", "gradients")
SIZE = {"batch": 3, "side": 17, "width": 384}
"""Images, tokens along a side of each, width."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for op in OPERATIONS:
        case = Case(op=op, **SIZE)
        exact = case.noise(torch.float32, "cpu")
        rounded = {name: tensor.detach().bfloat16().float().requires_grad_() for name, tensor in exact.items()}
        for part, by_rounded, by_exact in zip(PARTS, results(case, rounded), results(case, exact), strict=True):
            stored = [tensor.bfloat16().float() for tensor in by_rounded]
            errors = {"inputs": largest(by_rounded, by_exact), "results": largest(stored, by_rounded)}
            rows.append({"operation": op.name, "of": part, **errors})
            print(rows[-1], flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(options.output, index=False, float_format="%.3g")


def results(case: Case, leaves: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Returns the outputs, and the gradients of all leaves for cotangents that are exact in bf16."""
    found = case.op["reference"](*case.arguments(leaves))
    outputs = list(found) if isinstance(found, tuple) else [found]
    cotangents = [torch.arange(y.numel()).sin().bfloat16().float().view(y.shape) for y in outputs]
    gradients = torch.autograd.grad(outputs, list(leaves.values()), cotangents)
    return [y.detach() for y in outputs], list(gradients)


def largest(found: list[Tensor], exact: list[Tensor]) -> float:
    return max(float((a - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True))


if __name__ == "__main__":
    main()
