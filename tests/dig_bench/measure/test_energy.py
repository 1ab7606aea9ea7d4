"""Energy and readings of a simulated GPU."""

from typing import NoReturn

import pynvml
import pytest

from dig_bench.measure import energy, nvml
from dig_bench.measure.energy import Energy, mean_power_w
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


def test_power_is_measured_from_the_second_to_the_last_advance_of_the_counter() -> None:
    moves = [(0.0, 0), (0.1, 1_000), (0.2, 71_000), (0.6, 351_000)]
    assert mean_power_w(moves) == pytest.approx(700)


def test_only_slowdowns_that_protect_the_gpu_are_harmful() -> None:
    state = {"joules_per_call": None, "power_w_mean": None, "sm_clock_mhz": None, "temperature_c": None}
    assert Energy(**state, throttle_reasons=("sw_power_cap", "sync_boost")).harmful == ()
    assert Energy(**state, throttle_reasons=("sw_power_cap", "hw_thermal")).harmful == ("hw_thermal",)


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


class Meter:
    """A GPU that draws 500 W and moves its counter on every 100 ms of a clock that moves with every look at it."""

    sm_clock_mhz, temperature_c = 1980, 60

    def __init__(self, *, counts: bool = True) -> None:
        self.now_s = 0.0
        self.counts = counts

    def perf_counter(self) -> float:
        self.now_s += 0.0005
        return self.now_s

    @property
    def energy_mj(self) -> int | None:
        return int(self.now_s / 0.1) * 50_000 if self.counts else None

    def throttle_reasons(self) -> tuple[str, ...]:
        return ("sw_power_cap",)


class Event:
    def record(self) -> None: ...

    def query(self) -> bool:
        return True


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device that is done with everything at once."""
    monkeypatch.setattr(energy.torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(energy.torch.cuda, "Event", Event)
    monkeypatch.setattr(energy, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("device")
def test_energy_of_a_call_is_power_times_its_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    meter, calls = Meter(), []
    monkeypatch.setattr(energy, "perf_counter", meter.perf_counter)
    found = energy.measure_energy(lambda: calls.append(1), meter, call_ms=20.0, seconds=0.5)  # type: ignore[arg-type]
    assert found.power_w_mean == pytest.approx(500, rel=0.02)
    assert found.joules_per_call == pytest.approx(found.power_w_mean * meter.now_s / len(calls), rel=0.01)
    assert 0.6 < meter.now_s < 1.0
    assert (found.sm_clock_mhz, found.throttle_reasons) == (1980, ("sw_power_cap",))


@pytest.mark.usefixtures("device")
def test_a_gpu_without_a_counter_has_no_energy_but_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(counts=False)
    monkeypatch.setattr(energy, "perf_counter", meter.perf_counter)
    found = energy.measure_energy(lambda: None, meter, call_ms=20.0, seconds=0.5)  # type: ignore[arg-type]
    assert (found.joules_per_call, found.power_w_mean, found.temperature_c) == (None, None, 60)


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
