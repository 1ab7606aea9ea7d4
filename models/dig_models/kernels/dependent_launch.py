# mypy: allow-untyped-defs
"""Programmatic dependent launch: a kernel is set up while the one before it in the stream still runs.

For Hopper GPUs and newer. Every kernel here says, as its first act, that its successor may be set up beside it, and
then waits until its own predecessor, of whatever make, has ended and its writes can be seen. A successor that is
launched the usual way starts no earlier than ever. What a launch costs hides behind the end of the kernel before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

HOPPER = (9, 0)

_allowed = True


def dependent(x: Tensor) -> dict[str, bool]:
    """How to launch a kernel where x is: an option of Triton's, and the constant that the kernel takes."""
    is_dependent = _allowed and is_supported(x.device)
    return {"launch_pdl": is_dependent, "DEPENDENT": is_dependent}


@cache
def is_supported(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= HOPPER


@contextmanager
def never() -> Iterator[None]:
    """While the block runs, kernels are launched the usual way: for whoever times them one by one."""
    global _allowed
    _allowed = False
    try:
        yield
    finally:
        _allowed = True


@triton.jit
def wait_for_predecessor(DEPENDENT: tl.constexpr):
    """Before a kernel's first access to memory; all its programs have to come by."""
    if DEPENDENT:
        gdc_launch_dependents()
        gdc_wait()
