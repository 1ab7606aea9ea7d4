"""Fast launches of Triton kernels, and the integer arithmetic of launch grids.

Triton looks up the compiled binary of a kernel on every launch, and an eager forward pass of a small network is bound
by its kernel launches. `fast_launch` keeps each binary under everything that its choice depends on: types, values of
numbers and constants, alignment of memory. A launch with a new combination goes through Triton, and so does every
launch while a Triton profiler listens.
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
"""Alignment of memory for which Triton compiles a specialised binary. Less aligned tensors go through Triton."""


class Kernel:
    """A kernel that `kernel[grid](...)` launches. `fast_launch` makes it.

    Takes tensors, tensor descriptors, integers and None by position; integers, constants and Triton's options by name.
    """

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
                # The CPU's index is -1, and -1 | anything is -1.
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


def fast_launch(kernel: Any) -> Any:
    """Wraps a kernel of triton.jit. Returns it unchanged if Triton interprets."""
    return Kernel(kernel) if isinstance(kernel, JITFunction) else kernel


def _is_listened_to() -> bool:
    """Returns whether a launch hook is registered with Triton."""
    hooks = knobs.runtime.launch_enter_hook, knobs.runtime.launch_exit_hook
    return any(getattr(hook, "calls", hook) for hook in hooks)


def cdiv(dividend: int, divisor: int) -> int:
    """Divides and rounds up. Triton's own function is meant for kernels: on the host it costs as much as a launch."""
    return -(-dividend // divisor)


def next_power_of_2(number: int) -> int:
    """Rounds up to a power of two."""
    return 1 << (number - 1).bit_length()
