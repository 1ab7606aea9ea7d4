"""Compiles every Triton kernel of the project for a Hopper GPU, without having one.

    python tests/support/compile_kernels.py

Calls the fused operations on the CPU, forward and backward, in bf16 and fp32, and notes each kernel that they launch,
with the constants and types of the launch. Then compiles each of these once, in two processes, the longest first.
Prints the precision and the name of each kernel, one per line.
"""

import multiprocessing
import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from triton.runtime.jit import JITFunction
from triton.tools.tensor_descriptor import TensorDescriptor

from dig_models.kernels.gla_mixer import GLA_MIXER
from elementwise_cases import OPERATIONS, leaves, results
from gla_mixer_cases import inputs, outputs

HOPPER = GPUTarget("cuda", 90, 32)
TYPES = {torch.bfloat16: "bf16", torch.float32: "fp32"}
SLOWEST = ("outputs_kernel", "output_gradients_kernel", "input_gradients_kernel")
"""Kernels that take seconds to compile, more so in fp32; in ascending order."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    kernel: JITFunction[Any]
    signature: dict[str, str]
    constants: dict[str, Any]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return self.kernel.fn.__name__

    @property
    def precision(self) -> str:
        return "bf16" if "bf16" in str(self.signature) else "fp32"

    @property
    def cost(self) -> tuple[int, str]:
        return SLOWEST.index(self.name) if self.name in SLOWEST else -1, self.precision

    def compile(self) -> str:
        compile(ASTSource(self.kernel, self.signature, self.constants), target=HOPPER, options=self.options)
        return f"{self.precision} {self.name}"


launches: dict[Any, Launch] = {}


def note(self: JITFunction[Any], *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
    """Takes the place of JITFunction.run."""
    given = dict(zip(self.arg_names, args, strict=False)) | kwargs
    names = [parameter.name for parameter in self.params]
    constants = {p.name: given[p.name] for p in self.params if p.is_constexpr or given[p.name] is None}
    signature = {name: "constexpr" if name in constants else type_of(given[name]) for name in names}
    options = {name: value for name, value in kwargs.items() if name not in names}
    key = (self.fn.__name__, *signature.items(), *constants.items(), *options.items())
    launches.setdefault(key, Launch(kernel=self, signature=signature, constants=constants, options=options))


def type_of(value: Any) -> str:
    if isinstance(value, TensorDescriptor):
        return f"tensordesc<{TYPES[value.base.dtype]}[{','.join(map(str, value.block_shape))}]>"
    return f"*{TYPES[value.dtype]}" if isinstance(value, Tensor) else "i32"


def launch_all(dtype: torch.dtype) -> None:
    for name, op in OPERATIONS.items():
        tensors = {each: tensor.to(dtype) for each, tensor in leaves(name, (4, 4), 384, 1).items()}
        for variant in op.variants("fused"):
            results(name, op[variant], tensors, (4, 4))
            if name == "swiglu_mlp":
                op[variant](*tensors.values())
                wide = leaves(name, (4, 4), 576, 1).values()
                op[variant](*(tensor.to(dtype) for tensor in wide))
    outputs(GLA_MIXER["fused"], [argument.to(dtype) for argument in inputs((20, 20), "learnt")], (20, 20), 0)


def compile_nth(index: int) -> str:
    return list(launches.values())[index].compile()


def main() -> None:
    JITFunction.run = note
    for dtype in TYPES:
        launch_all(dtype)
    costs = [launch.cost for launch in launches.values()]
    longest_first = sorted(range(len(costs)), key=costs.__getitem__, reverse=True)
    # A fork knows the launches, which cannot be pickled.
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for line in pool.imap_unordered(compile_nth, longest_first):
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
