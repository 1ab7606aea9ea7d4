"""A machine's roofline is measured once, stored, and measured again when the stored one does not apply."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dig_bench.machine import environment, roofline
from dig_bench.measure import cpu_load, peaks
from dig_bench.measure.peaks import Size, measure
from dig_bench.measure.roofline import Measured, Roofline
from harness import Run

FOUND = Roofline(
    device_name="cpu",
    torch="2.13.0+cu130",
    gemm={"bf16": Measured(median=2.0, low=1.9, high=2.1)},
    copy=Measured(median=10.0, low=9.0, high=11.0),
    kernel_launch_us={"eager": Measured(median=3.0, low=3.0, high=3.0)},
    sustained={"bf16": Measured(median=1.5, low=1.4, high=1.6)},
)

SMALL = Size(side=16, copied_bytes=1 << 12)


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """No other process uses the CPU; the function says how many CPUs they use before and while it is measured."""

    def busy(before: float, meanwhile: float) -> None:
        monkeypatch.setattr(cpu_load, "look", lambda: before)
        monkeypatch.setattr(cpu_load, "others", lambda begin, end: meanwhile)

    monkeypatch.setattr(cpu_load, "most", lambda: 0.2)
    busy(0.0, 0.01)
    return busy


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Devices that have been measured so far, one entry per measurement."""
    calls: list[str] = []

    def measure(device: str, *, device_name: str, **_: object) -> Roofline:
        calls.append(device)
        return Roofline(**{**vars(FOUND), "device_name": device_name})

    monkeypatch.setattr(roofline, "measure", measure)
    return calls


@pytest.fixture(autouse=True)
def _no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves git out of the environment: it takes most of a second."""
    monkeypatch.setattr(environment, "git_state", dict)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "roofline.json"


def test_the_second_time_it_is_read_whatever_torch_calls_its_build(path: Path, measured: list[str]) -> None:
    first, second = (roofline.load_or_measure("cpu", path=path) for _ in range(2))
    assert measured == ["cpu"]
    assert first == second


def test_an_incomplete_roofline_is_measured_again(path: Path, measured: list[str]) -> None:
    roofline.load_or_measure("cpu", path=path)
    content = json.loads(path.read_text())
    del content["sustained"]
    path.write_text(json.dumps(content))
    said: list[str] = []
    roofline.load_or_measure("cpu", path=path, say=said.append)
    assert measured == ["cpu", "cpu"]
    assert said == [f"{path} cannot be read (sustained is missing): measuring again"]


@pytest.mark.parametrize("key", ["torch", "driver"])
def test_a_roofline_of_other_software_is_measured_again(path: Path, measured: list[str], key: str) -> None:
    roofline.load_or_measure("cpu", path=path)
    content = json.loads(path.read_text())
    content["environment"][key] = "another"
    path.write_text(json.dumps(content))
    roofline.load_or_measure("cpu", path=path)
    assert measured == ["cpu", "cpu"]


def test_a_broken_file_is_reported_and_replaced(path: Path, measured: list[str]) -> None:
    said: list[str] = []
    path.write_text("{")
    roofline.load_or_measure("cpu", path=path, say=said.append)
    assert "cannot be read" in said[0]
    assert roofline.load("cpu", path=path) is not None


def test_a_measured_roofline_reads_back_equal(path: Path) -> None:
    found = roofline.measure_and_store("cpu", path=path, size=SMALL, max_seconds=0.01)
    assert all(each.low <= each.median <= each.high and each.median > 0 for each in found.gemm.values())
    assert found.bandwidth_gb_per_s > 0
    assert roofline.load("cpu", path=path) == found


def test_a_roofline_of_another_machine_does_not_apply(path: Path) -> None:
    found = measure("cpu", device_name="another", size=SMALL, max_seconds=0.01, say=lambda text: None)
    path.write_text(json.dumps({"environment": {}, **found.as_dict()}))
    assert roofline.load("cpu", path=path) is None


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[3].glob("results/*/roofline.json")), ids=str)
def test_committed_rooflines_can_be_read(path: Path) -> None:
    said: list[str] = []
    assert roofline.load("cpu", path=path, say=said.append) is None
    assert said == []


def test_work_is_bound_by_the_longer_of_compute_and_memory() -> None:
    assert FOUND.floor_ms(4e9, 1e6, "bf16") == pytest.approx(2.0)
    assert FOUND.bound(4e9, 1e6, "bf16") == "compute"
    assert FOUND.floor_ms(1e9, 4e7, "bf16") == pytest.approx(4.0)
    assert FOUND.bound(1e9, 4e7, "bf16") == "memory"


def test_bytes_in_the_cache_are_bound_by_the_cache() -> None:
    """At most four times as fast as the memory."""
    known = replace(FOUND, cache=Measured(median=40.0, low=39.0, high=41.0), cache_bytes=1 << 20)
    assert known.floor_ms(1e9, 4e7, "bf16", cached_bytes=4e7) == pytest.approx(1.0)
    assert known.bound(1e9, 4e7, "bf16", cached_bytes=4e7) == "cache"
    assert known.bound(1e9, 4e7, "bf16", cached_bytes=1e7) == "memory"
    assert known.bound(4e9, 4e7, "bf16", cached_bytes=4e7) == "compute"


def test_without_the_caches_bandwidth_its_bytes_are_those_of_memory() -> None:
    assert FOUND.floor_ms(1e9, 4e7, "bf16", cached_bytes=4e7) == FOUND.floor_ms(1e9, 4e7, "bf16")
    slow = replace(FOUND, cache=Measured(median=1.0, low=1.0, high=1.0))
    assert slow.floor_ms(1e9, 4e7, "bf16", cached_bytes=4e7) == FOUND.floor_ms(1e9, 4e7, "bf16")


@pytest.mark.parametrize(("before", "meanwhile"), [(1.4, 0.0), (0.0, 0.9)])
def test_a_busy_cpu_is_refused_in_one_line_and_stores_nothing(
    path: Path, measured: list[str], idle: Callable[[float, float], None], before: float, meanwhile: float
) -> None:
    idle(before, meanwhile)
    with pytest.raises(roofline.BusyError, match=r"the CPU is busy, so .* run `dig-bench roofline") as found:
        roofline.load_or_measure("cpu", path=path)
    assert "\n" not in str(found.value)
    assert measured == ([] if before else ["cpu"])
    assert not path.exists()


def test_the_command_refuses_a_busy_cpu(dig_bench: Run, idle: Callable[[float, float], None]) -> None:
    idle(1.4, 0.0)
    ran = dig_bench("roofline", "--device", "cpu", "--output", "mine.json")
    assert ran.code == 2
    assert "other processes use 1.40 CPUs, at most 0.20 may be in use" in ran.err
    assert ran.err.count("\n") == 1
    assert not Path("mine.json").exists()


@pytest.mark.parametrize("other_cpus", [None, 1.3])
def test_a_stored_roofline_of_a_cpu_that_may_have_been_busy_is_not_used(
    path: Path, measured: list[str], other_cpus: float | None
) -> None:
    roofline.load_or_measure("cpu", path=path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"other_cpus": other_cpus}))
    said: list[str] = []
    assert roofline.load("cpu", path=path, say=said.append) is None
    assert said == [f"{path} may be that of a busy CPU: measuring again"]


def test_a_gpus_roofline_needs_no_idle_cpu_but_the_bandwidth_of_its_cache(
    path: Path, measured: list[str], idle: Callable[[float, float], None]
) -> None:
    idle(1.4, 1.4)
    roofline.load_or_measure("cuda", path=path)
    assert roofline.load("cuda", path=path) is None
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cache": vars(FOUND.copy)}))
    assert roofline.load("cuda", path=path) is not None


def test_the_gemm_of_a_cpu_is_large_unless_it_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a call of side n moves on by n^3 ns: 5 GEMMs of side 1024 take 5 s, of side 512 0.7 s."""
    now_s = 0.0

    def mm(a: torch.Tensor, b: torch.Tensor) -> None:
        nonlocal now_s
        now_s += len(a) ** 3 / 1e9

    monkeypatch.setattr(peaks, "perf_counter", lambda: now_s)
    monkeypatch.setattr(torch, "mm", mm)
    assert peaks._side("fp32", 4096, max_seconds=1.0) == 512
    assert peaks._side("fp32", 4096, max_seconds=6.0) == 1024
    assert peaks._side("fp32", 1024, max_seconds=1e6) == 1024
    assert peaks._side("fp32", 16, max_seconds=1.0) == 16
