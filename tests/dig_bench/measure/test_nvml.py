"""Energy and readings of a simulated GPU."""

from typing import NoReturn

import pynvml
import pytest

from dig_bench.measure import nvml
from dig_bench.measure.nvml import Gpu, open_gpu


class Driver:
    """Stands for NVML: counters that read as they are told, and functions that this GPU does not have."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **functions: object) -> None:
        for name in vars(pynvml):
            if name.startswith("nvmlDeviceGet"):
                monkeypatch.setattr(pynvml, name, self.refuse)
        for name, value in functions.items():
            monkeypatch.setattr(pynvml, name, lambda *arguments, value=value: value)

    @staticmethod
    def refuse(*arguments: object) -> NoReturn:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def test_throttle_reasons_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch, nvmlDeviceGetCurrentClocksThrottleReasons=0x4 | 0x40 | 0x1)
    assert Gpu(None).throttle_reasons() == ("hw_thermal", "sw_power_cap")


def test_unsupported_readings_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch)
    gpu = Gpu(None)
    assert (gpu.energy_mj, gpu.sm_clock_mhz, gpu.power_limit_w, gpu.memory_used_mib) == (None, None, None, None)
    assert gpu.throttle_reasons() == ()


def test_readings_have_their_units(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch, nvmlDeviceGetEnforcedPowerLimit=700_000, nvmlDeviceGetComputeRunningProcesses=["one", "two"])
    assert Gpu(None).power_limit_w == 700.0
    assert Gpu(None).num_processes == 2


@pytest.mark.parametrize(
    ("visible", "gpu"), [(None, ("index", 0)), ("3,1", ("index", 3)), ("GPU-5a", ("uuid", "GPU-5a")), ("", None)]
)
def test_the_first_visible_gpu_is_opened(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, gpu: tuple[str, object] | None
) -> None:
    def by_uuid(uuid: str) -> tuple[str, str]:
        return ("uuid", uuid) if uuid else Driver.refuse()

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: ("index", index))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", by_uuid)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    opened = open_gpu()
    assert (opened and opened._handle) == gpu


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert open_gpu() is None


def test_harmful_and_harmless_reasons_do_not_overlap() -> None:
    assert not set(nvml.HARMFUL) & set(nvml.HARMLESS)
    assert len({*nvml.HARMFUL.values(), *nvml.HARMLESS.values()}) == len(nvml.HARMFUL) + len(nvml.HARMLESS)


@pytest.mark.parametrize(("visible", "count"), [(None, 2), ("1", 1), ("GPU-5a,GPU-6b", 2), ("", 0)])
def test_hidden_gpus_are_not_counted(monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int) -> None:
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Gpu(None).count == count
