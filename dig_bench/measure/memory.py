"""Peak memory of a callable in MiB, measured in a separate pass."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

MIB = 2**20

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peak memory during a call, including weights and optimiser state allocated before it."""

    allocated_mib: float
    """Peak on CUDA of tensors and cuBLAS's workspace; on a CPU of the resident set, including Python and PyTorch."""
    reserved_mib: float | None = None
    """Peak that PyTorch's caching allocator reserved, including fragmentation; CUDA only."""
    device_used_mib: float | None = None
    """Memory in use on the device after the call, including CUDA context, libraries, other processes; CUDA only."""


def is_out_of_memory(error: BaseException) -> bool:
    """Returns True for out-of-memory errors of PyTorch, the driver (through Triton or cuBLAS) and the host."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _OUT_OF_MEMORY)


@contextmanager
def enough(remedy: str) -> Iterator[None]:
    """Turns out-of-memory errors of the block into a ValueError that suggests how to reduce memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        where = "the GPU" if isinstance(error, torch.OutOfMemoryError) else "this machine"
        raise ValueError(f"{where} is out of memory: {remedy}") from error


def tensors_mib(tensors: Iterable[Tensor]) -> float:
    """Returns the size of tensors in MiB."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / MIB


def peak(call: Callable[[], object], device_type: str) -> Memory:
    """Measures one call. Its return value is kept until memory is read, so return what should count as in use."""
    gc.collect()
    return _peak_cuda(call) if device_type == "cuda" else _peak_cpu(call)


def _peak_cuda(call: Callable[[], object]) -> Memory:
    torch.cuda.synchronize()
    # Frees the workspaces of all streams; the call allocates the one that it needs.
    torch._C._cuda_clearCublasWorkspaces()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    kept = call()
    torch.cuda.synchronize()
    free_bytes, total_bytes = torch.cuda.mem_get_info()
    memory = Memory(
        allocated_mib=torch.cuda.max_memory_allocated() / MIB,
        reserved_mib=torch.cuda.max_memory_reserved() / MIB,
        device_used_mib=(total_bytes - free_bytes) / MIB,
    )
    del kept
    return memory


def _peak_cpu(call: Callable[[], object]) -> Memory:
    """Measures the resident set. Only Linux can reset its peak; elsewhere it is that of the process's lifetime."""
    _return_freed_memory()
    can_reset = _reset_peak_resident_set()
    call()
    return Memory(allocated_mib=_peak_resident_set_mib() if can_reset else _lifetime_peak_mib())


def _return_freed_memory() -> None:
    """Returns freed memory to the system, which glibc would keep resident; other C libraries have no such call."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak_resident_set() -> bool:
    try:
        # Writing 5 resets VmHWM to the current resident set: proc(5).
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak_resident_set_mib() -> float:
    status = Path("/proc/self/status").read_text()
    kib = next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]
    return int(kib) / 1024


def _lifetime_peak_mib() -> float:
    # In KiB on Linux, in bytes on macOS: getrusage(2).
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB
