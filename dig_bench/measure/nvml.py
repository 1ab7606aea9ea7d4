"""GPU readings through NVML, the driver's monitoring library, without CUDA context and PyTorch."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pynvml

HARMFUL = {
    "hw_slowdown": pynvml.nvmlClocksThrottleReasonHwSlowdown,
    "sw_thermal": pynvml.nvmlClocksThrottleReasonSwThermalSlowdown,
    "hw_thermal": pynvml.nvmlClocksThrottleReasonHwThermalSlowdown,
    "hw_power_brake": pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,
}
"""Throttle reasons by which a GPU protects itself: measurements are not those of a healthy GPU."""

HARMLESS = {
    "application_clocks": pynvml.nvmlClocksThrottleReasonApplicationsClocksSetting,
    "sw_power_cap": pynvml.nvmlClocksThrottleReasonSwPowerCap,
    "sync_boost": pynvml.nvmlClocksThrottleReasonSyncBoost,
    "display_clocks": pynvml.nvmlClocksThrottleReasonDisplayClockSetting,
}
"""Throttle reasons that are recorded only. A GPU under full load normally runs at its power limit."""


def open_gpu() -> Gpu | None:
    """Opens the process's first visible GPU; None without an NVIDIA driver or GPU."""
    try:
        pynvml.nvmlInit()
        return Gpu(_first_visible())
    except pynvml.NVMLError:
        return None


def _first_visible() -> Any:
    """Returns the NVML handle of CUDA's device 0.

    CUDA and NVML number GPUs alike if CUDA_DEVICE_ORDER is PCI_BUS_ID, which the suite sets for its workers.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if visible.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(visible))
    return pynvml.nvmlDeviceGetHandleByUUID(visible)


class Gpu:
    """Readings of one GPU. A reading is None if the GPU or its driver does not support it."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def _read(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(self._handle, *arguments)
        except pynvml.NVMLError:
            return None

    @property
    def name(self) -> str | None:
        name: str | None = self._read(pynvml.nvmlDeviceGetName)
        return name

    @property
    def uuid(self) -> str | None:
        """`GPU-...`, or `MIG-...` for a slice of a GPU: the same in all processes and containers of the machine."""
        uuid: str | None = self._read(pynvml.nvmlDeviceGetUUID)
        return uuid

    @property
    def count(self) -> int:
        """Number of GPUs that this process can use."""
        count: int = pynvml.nvmlDeviceGetCount()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        return count if visible is None else min(count, len([name for name in visible.split(",") if name.strip()]))

    @property
    def driver(self) -> str:
        driver: str = pynvml.nvmlSystemGetDriverVersion()
        return driver

    @property
    def energy_mj(self) -> int | None:
        """Millijoules since the driver was loaded; updated about every 100 ms."""
        energy: int | None = self._read(pynvml.nvmlDeviceGetTotalEnergyConsumption)
        return energy

    @property
    def sm_clock_mhz(self) -> int | None:
        clock: int | None = self._read(pynvml.nvmlDeviceGetClockInfo, pynvml.NVML_CLOCK_SM)
        return clock

    @property
    def sm_clock_max_mhz(self) -> int | None:
        clock: int | None = self._read(pynvml.nvmlDeviceGetMaxClockInfo, pynvml.NVML_CLOCK_SM)
        return clock

    @property
    def temperature_c(self) -> int | None:
        temperature: int | None = self._read(pynvml.nvmlDeviceGetTemperature, pynvml.NVML_TEMPERATURE_GPU)
        return temperature

    @property
    def power_limit_w(self) -> float | None:
        limit_mw: int | None = self._read(pynvml.nvmlDeviceGetEnforcedPowerLimit)
        return None if limit_mw is None else limit_mw / 1000

    @property
    def memory_total_mib(self) -> int | None:
        memory = self._read(pynvml.nvmlDeviceGetMemoryInfo)
        return None if memory is None else memory.total // 2**20

    @property
    def memory_used_mib(self) -> int | None:
        memory = self._read(pynvml.nvmlDeviceGetMemoryInfo)
        return None if memory is None else memory.used // 2**20

    @property
    def num_processes(self) -> int | None:
        """Number of processes with a CUDA context on this GPU."""
        processes = self._read(pynvml.nvmlDeviceGetComputeRunningProcesses)
        return None if processes is None else len(processes)

    def throttle_reasons(self) -> tuple[str, ...]:
        """Returns the names in HARMFUL and HARMLESS that apply right now."""
        mask = self._read(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons) or 0
        return tuple(name for name, bit in {**HARMFUL, **HARMLESS}.items() if mask & bit)
