"""Run as a program, this compiles every Triton kernel of the project for a Hopper GPU, without having one.

    python tests/support/compile_kernels.py             in bf16 and fp32
    python tests/support/compile_kernels.py bf16

The fused operations are called on the CPU, forward and backward, and whatever they launch is compiled instead, with the
constants and types that they launch it with. Prints the precision and the name of each, one a line.
"""

import sys
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

seen: set[Any] = set()


def compile_instead(self: JITFunction[Any], *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
    given = dict(zip(self.arg_names, args, strict=False)) | kwargs
    names = [parameter.name for parameter in self.params]
    constants = {p.name: given[p.name] for p in self.params if p.is_constexpr or given[p.name] is None}
    signature = {name: "constexpr" if name in constants else type_of(given[name]) for name in names}
    options = {name: value for name, value in kwargs.items() if name not in names}
    key = (self.fn.__name__, *signature.items(), *constants.items(), *options.items())
    if key not in seen:
        seen.add(key)
        compile(ASTSource(self, signature, constants), target=HOPPER, options=options)
        print("bf16" if "bf16" in str(signature) else "fp32", self.fn.__name__, flush=True)


def type_of(value: Any) -> str:
    if isinstance(value, TensorDescriptor):
        return f"tensordesc<{TYPES[value.base.dtype]}[{','.join(map(str, value.block_shape))}]>"
    return f"*{TYPES[value.dtype]}" if isinstance(value, Tensor) else "i32"


def main() -> None:
    JITFunction.run = compile_instead
    for dtype in (each for each, precision in TYPES.items() if precision in (sys.argv[1:] or TYPES.values())):
        for name, op in OPERATIONS.items():
            tensors = {each: tensor.to(dtype) for each, tensor in leaves(name, (4, 4), 384, 1).items()}
            for variant in op.variants("fused"):
                results(name, op[variant], tensors, (4, 4))
                if name == "swiglu_mlp":
                    op[variant](*tensors.values())
                    wide = leaves(name, (4, 4), 576, 1).values()
                    op[variant](*(tensor.to(dtype) for tensor in wide))
        outputs(GLA_MIXER["fused"], [argument.to(dtype) for argument in inputs((20, 20), "learnt")], (20, 20), 0)


if __name__ == "__main__":
    main()
