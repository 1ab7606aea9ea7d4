"""Launches of Triton kernels that cost the host a fraction of what they cost through Triton.

Triton finds out anew, with each launch, which of a kernel's binaries the arguments ask for, and an eager forward pass
of a small network is nothing but launches. Here a binary is kept by all that its choice depends on: types, the values
of numbers and constants, the alignment of memory. A launch that is new, or that a profiler of Triton's listens to, goes
through Triton.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from triton import knobs
from triton.runtime.jit import JITFunction
from triton.tools.tensor_descriptor import TensorDescriptor

ALIGNMENT_BYTES = 16
"""Of memory for which Triton makes a binary of its own; what is aligned less goes through Triton."""


class Kernel:
    """Made by `quickly_launched`. `kernel[grid](...)` takes tensors, descriptors of tensors, whole numbers and None by
    position, and by name whole numbers, constants and Triton's options."""

    def __init__(self, jit: JITFunction[Any]) -> None:
        self.jit = jit
        self._kept: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return partial(self._launch, grid)

    def _launch(self, grid: tuple[int, ...], *args: Any, **named: Any) -> None:
        kinds: list[Any] = []
        values, addresses, devices = [], 0, 0
        for argument in args:
            if isinstance(argument, Tensor):
                address = argument.data_ptr()
                addresses |= address
                # Minus one, of a CPU, outlasts all others.
                devices |= argument.get_device()
                values.append(address)
                kinds.append(argument.dtype)
            elif isinstance(argument, TensorDescriptor):
                addresses |= argument.base.data_ptr()
                devices |= argument.base.get_device()
                values.append(argument)
                kinds.append((argument.base.dtype, *argument.block_shape))
            else:
                values.append(argument)
                kinds.append(argument)
        if devices < 0 or addresses % ALIGNMENT_BYTES or _is_listened_to():
            self.jit[grid](*args, **named)
            return
        device = torch.cuda.current_device()
        key = (device, *kinds, *named, *named.values())
        kept = self._kept.get(key)
        if kept is None:
            binary = self.jit[grid](*args, **named)
            rest = tuple(named[name] for name in self.jit.arg_names[len(args) :])
            self._kept[key] = binary.run, binary.function, binary.packed_metadata, rest
            return
        run, function, metadata, rest = kept
        stream = torch._C._cuda_getCurrentRawStream(device)
        run(*(*grid, 1, 1)[:3], stream, function, metadata, None, None, None, *values, *rest)


def quickly_launched(kernel: Any) -> Any:
    """The kernel of triton.jit; as it is where Triton interprets."""
    return Kernel(kernel) if isinstance(kernel, JITFunction) else kernel


def _is_listened_to() -> bool:
    """Whether somebody has asked Triton to be told of launches."""
    hooks = knobs.runtime.launch_enter_hook, knobs.runtime.launch_exit_hook
    return any(getattr(hook, "calls", hook) for hook in hooks)
