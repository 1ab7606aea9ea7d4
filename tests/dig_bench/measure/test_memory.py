"""Peak memory of a call on a CPU, and out-of-memory errors of all kinds."""

import sys

import pytest
import torch

from dig_bench.measure.memory import MIB, is_out_of_memory, peak, tensors_mib


def test_tensors_count_by_their_element_size() -> None:
    assert tensors_mib([torch.empty(1024, 1024), torch.empty(512, 1024, dtype=torch.bfloat16)]) == 5.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forget an old peak")
def test_cpu_peak_includes_freed_memory_and_forgets_earlier_calls() -> None:
    def touch(mib: int) -> None:
        torch.ones(mib * MIB // 4)

    nothing = peak(lambda: None, "cpu").allocated_mib
    large = peak(lambda: touch(256), "cpu").allocated_mib
    after = peak(lambda: None, "cpu").allocated_mib
    assert large - nothing == pytest.approx(256, abs=32)
    assert after - nothing == pytest.approx(0, abs=32)


def test_device_memory_is_none_on_a_cpu() -> None:
    memory = peak(lambda: None, "cpu")
    assert (memory.reserved_mib, memory.device_used_mib) == (None, None)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400000000000 bytes"),
    ],
)
def test_out_of_memory_errors_are_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("out of resource: shared memory"), ValueError("out of memory")])
def test_other_errors_are_not_out_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_pytorchs_error_on_a_cpu_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.int8)
    assert is_out_of_memory(caught.value)
