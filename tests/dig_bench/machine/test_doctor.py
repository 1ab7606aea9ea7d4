"""doctor names what is missing, and the command that installs it."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from dig_bench.machine import doctor
from dig_bench.machine.doctor import FOR_TRAINING, PACKAGES, check_backends, check_gpu, check_package, diagnose
from dig_bench.measure import nvml


def test_the_packages_are_those_of_pyproject() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [f"{name}>={oldest}" for name, oldest in PACKAGES.items()] == project["dependencies"]
    for_training = [f"{name}>={oldest}" for name, oldest in FOR_TRAINING.items()]
    assert for_training == project["optional-dependencies"]["train"]
    assert set(for_training) <= set(project["optional-dependencies"]["dev"])


def test_packages_for_training_are_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOR_TRAINING, "no-such-package", "1.2")
    (check,) = (check for check in diagnose().checks if check.name == "no-such-package")
    assert (check.state, check.text) == ("optional", "not installed: pip install 'no-such-package>=1.2'")


def test_this_machine_can_run_its_default_sweep() -> None:
    diagnosis = diagnose()
    assert diagnosis.healthy
    assert diagnosis.machine["torch"] == metadata.version("torch")
    assert "DiG reference" in {check.name for check in diagnosis.checks}


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "no-such-package", "1.2")
    diagnosis = diagnose()
    assert not diagnosis.healthy
    assert diagnosis.checks[-1].text == "not installed: pip install 'no-such-package>=1.2'"


def test_an_old_package_is_named_with_its_command() -> None:
    check = check_package("torch", "99.0")
    assert check.state == "missing"
    assert check.text.endswith("is too old: pip install 'torch>=99.0'")


def test_versions_compare_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "2.9.1+cpu")
    assert check_package("torch", "2.11").state == "missing"
    assert check_package("torch", "2.9").state == "ok"


def test_a_gpu_that_pytorch_cannot_use_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gpu:
        name = "NVIDIA H100"

    monkeypatch.setattr(nvml, "open_gpu", Gpu)
    check = check_gpu("cpu")
    assert check.state == "missing"
    assert "cannot use the NVIDIA H100" in check.text
    monkeypatch.setattr(nvml, "open_gpu", lambda: None)
    assert check_gpu("cpu").state == "optional"


def test_only_a_default_backend_is_needed() -> None:
    on_cpu = {check.name: check for check in check_backends("cpu")}
    assert on_cpu["DiG chunked (default)"].state == "ok"
    assert on_cpu["DiG fla"].state == "optional"
    assert on_cpu["DiG fla"].text == "runs on cuda only"


def test_a_default_backend_that_is_not_installed_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dig_models.kernels.op._is_installed", lambda package: False)
    on_cuda = {check.name: check for check in check_backends("cuda")}
    assert on_cuda["DiG fla (default)"].state == "missing"
    assert "pip install 'dig-bench[gpu]'" in on_cuda["DiG fla (default)"].text
    assert on_cuda["DiT flash3"].state == "optional"
