"""A machine's roofline is measured once, stored, and measured again when the stored one does not apply."""

import json
from pathlib import Path

import pytest

from dig_bench.machine import environment, roofline
from dig_bench.measure.roofline import Measured, Roofline, Size, measure

FOUND = Roofline(
    device_name="cpu",
    torch="2.13.0+cu130",
    gemm={"bf16": Measured(median=2.0, low=1.9, high=2.1)},
    copy=Measured(median=10.0, low=9.0, high=11.0),
    kernel_launch_us={"eager": Measured(median=3.0, low=3.0, high=3.0)},
    sustained={"bf16": Measured(median=1.5, low=1.4, high=1.6)},
)


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
    size = Size(side=16, copied_bytes=1 << 12)
    found = roofline.measure_and_store("cpu", path=path, size=size, max_seconds=0.01)
    assert all(each.low <= each.median <= each.high and each.median > 0 for each in found.gemm.values())
    assert found.bandwidth_gb_per_s > 0
    assert roofline.load("cpu", path=path) == found


def test_a_roofline_of_another_machine_does_not_apply(path: Path) -> None:
    size = Size(side=16, copied_bytes=1 << 12)
    found = measure("cpu", device_name="another", size=size, max_seconds=0.01, say=lambda text: None)
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
