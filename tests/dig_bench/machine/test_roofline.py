"""Roofs are measured once a machine, and kept."""

import json
from pathlib import Path

import pytest

from dig_bench.machine import roofline
from dig_bench.measure.roofline import Measured, Roofs

FOUND = Roofs(
    device_name="cpu",
    torch="2.13.0+cu130",
    products={"bf16": Measured(median=2.0, low=1.9, high=2.1)},
    copy=Measured(median=10.0, low=9.0, high=11.0),
    launch_us={"eager": Measured(median=3.0, low=3.0, high=3.0)},
    sustained={"bf16": Measured(median=1.5, low=1.4, high=1.6)},
)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been measured so far, one entry each time."""
    calls: list[str] = []

    def measure(device: str, *, device_name: str, **_: object) -> Roofs:
        calls.append(device)
        return Roofs(**{**vars(FOUND), "device_name": device_name})

    monkeypatch.setattr(roofline, "measure", measure)
    return calls


def test_the_second_time_they_are_there_whatever_torch_calls_its_build(tmp_path: Path, measured: list[str]) -> None:
    first, second = (roofline.here("cpu", path=tmp_path / "roofs.json") for _ in range(2))
    assert measured == ["cpu"]
    assert first == second


def test_those_of_a_version_that_knew_only_sustained_products_are_measured_anew(
    tmp_path: Path, measured: list[str]
) -> None:
    path = tmp_path / "roofs.json"
    roofline.here("cpu", path=path)
    content = json.loads(path.read_text())
    del content["sustained"]
    path.write_text(json.dumps(content))
    roofline.here("cpu", path=path)
    assert measured == ["cpu", "cpu"]


@pytest.mark.parametrize("key", ["torch", "driver"])
def test_those_of_other_software_are_measured_anew(tmp_path: Path, measured: list[str], key: str) -> None:
    path = tmp_path / "roofs.json"
    roofline.here("cpu", path=path)
    content = json.loads(path.read_text())
    content["environment"][key] = "another"
    path.write_text(json.dumps(content))
    roofline.here("cpu", path=path)
    assert measured == ["cpu", "cpu"]


def test_a_broken_file_is_said_and_replaced(tmp_path: Path, measured: list[str]) -> None:
    path, said = tmp_path / "roofs.json", []
    path.write_text("{")
    roofline.here("cpu", path=path, say=said.append)
    assert "not to be read" in said[0]
    assert roofline.kept("cpu", path=path) is not None
